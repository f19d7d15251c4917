"""The watch: frame in, label out."""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from vedette_edge.cameras import Frame
from vedette_edge.classifier import Classifier
from vedette_edge.prepare import prepare


@dataclass(frozen=True, slots=True)
class Sighting:
    """What was seen in one frame, and how long each stage took."""

    frame: int  # its number
    source: str
    seen_at: float  # seconds since the epoch, UTC
    label: str
    score: float  # 0..1
    capture_ms: float
    prepare_ms: float
    invoke_ms: float


@dataclass(slots=True)
class Tally:
    """How a watch goes; it is counted on as long as the watch lasts."""

    seen: int = 0  # frames classified
    last: int = 0  # number of the last of them
    began: float = field(default_factory=time.monotonic)  # s

    @property
    def overtaken(self) -> int:
        """Frames that newer ones overtook."""
        return self.last - self.seen

    def summary(self) -> str:
        """The tally for a person."""
        rate = self.seen / max(1e-9, time.monotonic() - self.began)
        return f"{self.seen} frames, {self.overtaken} overtaken, {rate:.1f} frames/s"


def watch(
    classifier: Classifier,
    frames: Iterable[Frame],
    sinks: Sequence[Callable[[Sighting], None]],
    tally: Tally,
) -> None:
    """Classify every frame and hand what was seen to every sink, until the frames end."""
    for sighting in sightings(classifier, frames):
        for sink in sinks:
            sink(sighting)
        tally.seen, tally.last = tally.seen + 1, sighting.frame


def sightings(classifier: Classifier, frames: Iterable[Frame]) -> Iterator[Sighting]:
    """What each frame shows."""
    for frame in frames:
        begin = time.perf_counter()
        prepared = prepare(frame.picture_rgb, classifier.contract)
        middle = time.perf_counter()
        classification = classifier.score(prepared)
        end = time.perf_counter()
        yield Sighting(
            frame=frame.number,
            source=frame.source,
            seen_at=frame.seen_at,
            label=classification.label,
            score=classification.score,
            capture_ms=frame.capture_ms,
            prepare_ms=1000 * (middle - begin),
            invoke_ms=1000 * (end - middle),
        )


def as_line(sighting: Sighting) -> str:
    """A sighting for a person."""
    seen_at = datetime.fromtimestamp(sighting.seen_at).strftime("%Y-%m-%d %H:%M:%S")
    return (
        f"{seen_at}  {sighting.frame:>6}  {sighting.label:<20} {sighting.score:4.0%}  "
        f"capture {sighting.capture_ms:.1f}  prepare {sighting.prepare_ms:.1f}  "
        f"invoke {sighting.invoke_ms:.1f} ms  {sighting.source}"
    )


def as_json(sighting: Sighting) -> str:
    """A sighting for a machine: one line of JSON, its time in UTC."""
    seen_at = datetime.fromtimestamp(sighting.seen_at, UTC)
    stages = ("capture", "prepare", "invoke")
    return json.dumps(
        {
            "time": seen_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "frame": sighting.frame,
            "label": sighting.label,
            "score": round(sighting.score, 4),
            "ms": {stage: round(getattr(sighting, f"{stage}_ms"), 2) for stage in stages},
            "source": sighting.source,
        },
        ensure_ascii=False,
    )
