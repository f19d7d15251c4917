"""Records on the terminal, as text or as JSON lines."""

import json
from collections.abc import Mapping
from datetime import datetime

from vedette_edge.console import Output
from vedette_edge.log.formatting import format_record
from vedette_edge.log.reader import LoggedRecord


class TerminalSink:
    """Prints one line a record."""

    def __init__(self, terminal: Output, *, as_json: bool) -> None:
        self._terminal, self._as_json = terminal, as_json

    def write(self, record: Mapping[str, object]) -> None:
        """Print a record."""
        text = json.dumps(record, ensure_ascii=False)
        at = datetime.fromisoformat(str(record["time"])).timestamp()
        logged = LoggedRecord(at, str(record["event"]), record, text)
        self._terminal.print_line(text if self._as_json else format_record(logged))
