"""Where the watch's records go: one file each, behind one Protocol."""

from collections.abc import Mapping
from typing import Protocol


class Sink(Protocol):
    """Takes records. Nothing waits on a sink, and none of them can stop the watch."""

    def write(self, record: Mapping[str, object]) -> None:
        """Take one record: JSON's kinds of values, `time` and `event` first."""

    def counters(self) -> Mapping[str, object]:
        """How it goes, for the heartbeat, under the sink's name; or nothing."""


class FanOut:
    """Hands each record to all of some sinks."""

    def __init__(self, *sinks: Sink) -> None:
        self._sinks = sinks

    def write(self, record: Mapping[str, object]) -> None:
        """Give it to each in turn."""
        for sink in self._sinks:
            sink.write(record)

    def counters(self) -> Mapping[str, object]:
        """Those of all."""
        return {name: how for sink in self._sinks for name, how in sink.counters().items()}
