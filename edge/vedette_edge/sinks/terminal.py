"""Records on the terminal, for a person or a machine."""

import json
from collections.abc import Mapping
from datetime import datetime

from vedette_edge.console import Terminal
from vedette_edge.log.formatting import as_line
from vedette_edge.log.reader import Record


class Lines:
    """A line a record."""

    def __init__(self, terminal: Terminal, *, as_json: bool) -> None:
        self._terminal, self._as_json = terminal, as_json

    def write(self, record: Mapping[str, object]) -> None:
        """Print the record."""
        text = json.dumps(record, ensure_ascii=False)
        at = datetime.fromisoformat(str(record["time"])).timestamp()
        shown = Record(at, str(record["event"]), record, text)
        self._terminal.line(text if self._as_json else as_line(shown))

    def counters(self) -> Mapping[str, object]:
        """None: whoever looks on sees."""
        return {}
