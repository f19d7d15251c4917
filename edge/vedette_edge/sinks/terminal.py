"""Records on the terminal, as text or as JSON lines."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime

from vedette_edge.console import Output
from vedette_edge.log.formatting import RecordFormatter
from vedette_edge.log.reader import LoggedRecord


class TerminalSink:
    """Prints one line a record."""

    def __init__(
        self,
        terminal: Output,
        formatter: RecordFormatter | None,
        wait: Callable[[], None] | None = None,
    ) -> None:
        """Print JSON without `formatter`.

        `wait` is called after each line: set it for a source whose frames can wait.
        """
        self._terminal, self._formatter, self._wait = terminal, formatter, wait

    def write(self, record: Mapping[str, object]) -> None:
        """Print a record. Raises BrokenPipeError if the reader has gone."""
        text = json.dumps(record, ensure_ascii=False)
        at = datetime.fromisoformat(str(record["time"])).timestamp()
        logged = LoggedRecord(at, str(record["event"]), record, text)
        self._terminal.print_line(self._formatter.format(logged) if self._formatter else text)
        if logged.event == "camera_lost" and self._terminal.err.is_terminal:
            self._terminal.err.print("Waiting for the camera; Ctrl-C ends the watch.")
        if self._wait:
            self._wait()
