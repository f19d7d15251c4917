"""Sinks of the watch's records: one file each, behind one Protocol."""

from collections.abc import Mapping
from typing import Protocol


class Sink(Protocol):
    """Takes records. It makes no live watch wait, and stops none."""

    def write(self, record: Mapping[str, object]) -> None:
        """Take a record of JSON values, with `time` and `event` first."""


class FanOut:
    """Passes each record on to several sinks."""

    def __init__(self, *sinks: Sink) -> None:
        self._sinks = sinks

    def write(self, record: Mapping[str, object]) -> None:
        """Pass a record on to each sink in turn."""
        for sink in self._sinks:
            sink.write(record)
