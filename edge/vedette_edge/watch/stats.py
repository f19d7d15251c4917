"""The figures of a watch, and its heartbeat."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from vedette_edge.capture.frame_buffer import FrameInfo
from vedette_edge.host.raspberry_pi import read_health
from vedette_edge.log.records import Record, create_record
from vedette_edge.sinks import Sink
from vedette_edge.watch.smoothing import LabelSmoother


@dataclass(frozen=True, slots=True)
class RegionState:
    """What is classified of each frame on its own."""

    region: str  # its name; empty for the whole frame
    smoother: LabelSmoother | None  # None: frames have nothing to do with each other
    every_frame: bool  # whether each frame is told of, or changes alone


@dataclass(slots=True)
class FrameTimings:
    """One frame's way through the watch, all its parts together. Seconds on the monotonic clock."""

    about: FrameInfo
    begun_s: float = field(default_factory=time.monotonic)  # when the watch took it up
    invoke_ms: float = 0.0
    decide_ms: float = 0.0
    logged_s: float = 0.0  # when all was told of it


@dataclass(slots=True)
class WatchStats:
    """How a watch goes; it is counted on as long as the watch lasts."""

    seen: int = 0  # frames classified
    skipped: int = 0  # frames passed over on purpose
    last: int = 0  # number of the last frame classified
    age_ms: float = 0.0  # of that frame when its label was told
    began_s: float = field(default_factory=time.monotonic)

    @property
    def dropped(self) -> int:
        """Frames that newer ones overtook."""
        return max(0, self.last - self.seen - self.skipped)

    @property
    def fps(self) -> float:
        """Frames classified a second."""
        return self.seen / max(1e-9, time.monotonic() - self.began_s)

    def summary(self) -> str:
        """The tally for a person."""
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.seen} frames, {self.dropped} overtaken{skipped}, {self.fps:.1f} frames/s"


@dataclass(slots=True)
class Heartbeat:
    """A record from time to time that tells that the watch goes on, and how."""

    every_s: float  # 0: none
    last_s: float = field(default_factory=time.monotonic)

    def due(self, tally: WatchStats, scenes: Sequence[RegionState], sink: Sink) -> Iterator[Record]:
        now_s = time.monotonic()
        if not self.every_s or now_s - self.last_s < self.every_s:
            return
        self.last_s = now_s
        yield {
            **create_record("heartbeat"),
            "up_s": round(now_s - tally.began_s),
            "frames": tally.seen,
            "overtaken": tally.dropped,
            "skipped": tally.skipped,
            "fps": round(tally.fps, 2),
            "age_ms": round(tally.age_ms, 1),
            "state": {one.region: one.smoother.label for one in scenes if one.smoother},
            **read_health().fields(),
            **sink.counters(),
        }
