"""Statistics of a watch, and its heartbeat."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from vedette_edge.capture.frame_buffer import Crops, FrameInfo
from vedette_edge.host.raspberry_pi import read_health
from vedette_edge.log.formatting import format_count
from vedette_edge.log.records import Record, create_record
from vedette_edge.model.classifier import Scores
from vedette_edge.sinks.log_file import LogFile
from vedette_edge.watch.smoothing import LabelSmoother

LOSSES = ("dropped", "failed", "refused")  # counters that show that an output lost something


@dataclass(frozen=True, slots=True)
class RegionState:
    """A region that is classified separately, and its label over time."""

    region: str  # name; empty for the whole frame
    smoother: LabelSmoother | None  # None: frames are independent of each other
    every_frame: bool  # report each frame, or only changes


@dataclass(slots=True)
class FrameTimings:
    """Times of one frame in the watch, all its regions together; *_s on the monotonic clock."""

    info: FrameInfo
    begun_s: float = field(default_factory=time.monotonic)  # when the watch took it
    invoke_ms: float = 0.0
    decide_ms: float = 0.0
    logged_s: float = 0.0  # when its last record was written
    failures: list[str] = field(default_factory=list)  # why regions have no finite scores
    crops: Crops | None = None  # of the regions, valid until the next frame
    scores: list[Scores | None] = field(default_factory=list)  # of the regions, in their order


@dataclass(slots=True)
class WatchStats:
    """Counters of a watch."""

    frames: int = 0  # that went through the model
    unclassified: int = 0  # regions of these frames whose scores were not finite numbers
    skipped: int = 0  # frames skipped on purpose
    taken: int = 0  # frames up to the latest one that was classified or skipped
    age_ms: float = 0.0  # of the latest classified frame when its label was written
    began_s: float = field(default_factory=time.monotonic)
    _last: tuple[int, int] = (0, 0)  # number of the latest frame, and frames skipped by then

    @property
    def dropped(self) -> int:
        """Frames that were replaced by newer ones before they could be classified."""
        return max(0, self.taken - self.frames - self.skipped)

    @property
    def fps(self) -> float:
        """Classified frames a second."""
        return self.frames / max(1e-9, time.monotonic() - self.began_s)

    def add(self, timings: FrameTimings) -> None:
        """Count a frame that went through the model."""
        self.frames += 1
        self.unclassified += len(timings.failures)
        self._advance(timings.info.number, timings.info.skipped)
        self.age_ms = 1000 * (timings.logged_s - timings.info.taken_s)

    def add_paused(self, info: FrameInfo) -> None:
        """Count a frame that a paused watch does not classify as skipped."""
        self._advance(info.number, info.skipped)
        self.skipped += 1

    def add_skipped(self, number: int, skipped: int) -> None:
        """Count the frames that were skipped after the latest classified one, up to a number."""
        if number > self._last[0]:
            self._advance(number, skipped)

    def _advance(self, number: int, skipped: int) -> None:
        before = self._last
        if number <= before[0] or skipped < before[1]:  # a new capture process counts from 1
            before = 0, 0
        self.taken += number - before[0]
        self.skipped += skipped - before[1]
        self._last = number, skipped

    def to_fields(self) -> dict[str, int]:
        """The counters since the start, as fields of a record."""
        counters = {"frames": self.frames, "dropped": self.dropped, "skipped": self.skipped}
        return counters | ({"unclassified": self.unclassified} if self.unclassified else {})

    def summarize(self) -> str:
        """One line for a person."""
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        left_out = f", {self.unclassified} unclassified" if self.unclassified else ""
        counts = f"{format_count(self.frames, 'frame')}, {self.dropped} dropped{skipped}{left_out}"
        return f"{counts}, {self.fps:.1f} frames/s"


@dataclass(slots=True)
class Heartbeat:
    """A record at intervals which shows that the watch goes on, with its statistics."""

    every_s: float  # 0: none
    log: LogFile | None = None  # whose losses it reports
    last_s: float = field(default_factory=time.monotonic)
    read_outputs: Callable[[], Mapping[str, Mapping[str, object]]] = dict  # counters, by output

    def create_due(
        self, stats: WatchStats, regions: Sequence[RegionState], lost_s: float
    ) -> Iterator[Record]:
        """Create the record, if it is due. `lost_s` is how long the camera has been lost."""
        now_s = time.monotonic()
        if not self.every_s or now_s - self.last_s < self.every_s:
            return
        self.last_s = now_s
        counters = self.log.read_counters() if self.log else None
        outputs = self.read_outputs().items()
        losses = {name: one for name, one in outputs if any(map(one.get, LOSSES))}
        yield {
            **create_record("heartbeat"),
            "up_s": round(now_s - stats.began_s),
            **({"lost_s": round(lost_s, 1)} if lost_s else {}),
            **stats.to_fields(),
            "fps": round(stats.fps, 2),
            "age_ms": round(stats.age_ms, 1),
            "state": {one.region: one.smoother.label for one in regions if one.smoother},
            **read_health().fields(),
            **({"log": asdict(counters)} if counters and counters.has_losses else {}),
            **({"outputs": losses} if losses else {}),
        }
