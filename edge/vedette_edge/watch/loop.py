"""The watch: take the newest frame, classify it, and write what has changed."""

import os
import select
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field

from vedette_edge.capture.frame_buffer import Crops, FrameInfo
from vedette_edge.capture.supervisor import Supervisor
from vedette_edge.errors import ScoresError
from vedette_edge.log.records import Record, create_record
from vedette_edge.model.classifier import Classification, Classifier
from vedette_edge.sinks import Sink
from vedette_edge.watch.controls import Controls
from vedette_edge.watch.smoothing import LabelChange
from vedette_edge.watch.stats import FrameTimings, Heartbeat, RegionState, WatchStats

IDLE_S = 0.5  # between two checks of `stop` and heartbeat while no frames arrive
BUSY_S = 0.1  # the same while frames arrive
LATER = "Heartbeats count such pictures as 'unclassified'; no further note follows"


@dataclass(frozen=True, slots=True)
class Watch:
    """The parts of a watch."""

    classifier: Classifier
    camera: Supervisor
    regions: Sequence[RegionState]
    sink: Sink
    heartbeat: Heartbeat
    stats: WatchStats = field(default_factory=WatchStats)
    on_frame: Callable[[FrameTimings], None] = lambda timings: None  # when it is done with
    on_unclassified: Callable[[FrameTimings], None] = lambda timings: (
        None
    )  # if no region has scores
    on_check: Callable[[], None] = lambda: None  # several times a second
    controls: Controls = field(default_factory=Controls)  # while paused, frames are only taken
    on_settings: Callable[[], None] = lambda: None  # when something was set


def run_watch(watch: Watch, stop: int | None = None) -> None:
    """Classify the newest frame until the source ends or `stop`, a descriptor, is readable."""
    check_s = 0.0
    while not watch.camera.ended:
        frame = watch.camera.next_frame(IDLE_S, stop)
        if frame and watch.controls.paused:
            watch.stats.add_paused(frame[0])
            watch.on_frame(FrameTimings(frame[0], crops=frame[1]))
        elif frame and _process_frame(watch, frame).logged_s < check_s:
            continue
        check_s = time.monotonic() + BUSY_S
        if stop is not None and select.select([stop], [], [], 0)[0]:
            return
        for record in watch.heartbeat.create_due(watch.stats, watch.regions, watch.camera.lost_s):
            watch.sink.write(record)
        _apply_controls(watch)
        watch.on_check()
    watch.stats.add_skipped(*watch.camera.read_skipped())


def _apply_controls(watch: Watch) -> None:
    """Apply what was set meanwhile; a note says what has changed."""
    before = watch.controls.settings
    if watch.controls.apply(watch.regions):
        settings = watch.controls.settings
        changed = [_describe_setting(*one) for one in settings.items() if one not in before.items()]
        if changed:
            text = f"set while the watch runs: {', '.join(changed)}"
            watch.sink.write(create_record("note") | {"text": text})
        watch.on_settings()


def _describe_setting(name: str, value: float | bool) -> str:
    if name == "paused":
        return "paused" if value else "not paused"
    return f"{name} {value:g}"


def _process_frame(watch: Watch, frame: tuple[FrameInfo, Crops]) -> FrameTimings:
    """Write the records of a frame, and a note on the first one without scores."""
    timings = FrameTimings(frame[0], crops=frame[1])
    for record in classify_frame(watch.classifier, frame, watch.regions, timings):
        watch.sink.write(record)
    if timings.failures and not watch.stats.unclassified:
        text = f"{os.fsdecode(timings.info.source)}: {timings.failures[0]}. {LATER}"
        watch.sink.write(create_record("note") | {"text": text})
    timings.logged_s = time.monotonic()
    watch.stats.add(timings)
    is_classified = len(timings.failures) < len(watch.regions)
    (watch.on_frame if is_classified else watch.on_unclassified)(timings)
    return timings


def classify_frame(
    classifier: Classifier,
    frame: tuple[FrameInfo, Crops],
    regions: Sequence[RegionState],
    timings: FrameTimings,
) -> Iterator[Record]:
    """Classify the regions of a frame; yield the records of it, and add to `timings`.

    A region whose scores are not finite numbers yields no record, and its label stays as it was.
    """
    info, crops = frame
    for region, crop in zip(regions, crops, strict=True):
        begin_s = time.monotonic()
        try:
            result = classifier.score(crop)
        except ScoresError as error:
            timings.failures.append(str(error))
            timings.scores.append(None)
            continue
        invoked_s = time.monotonic()
        timings.scores.append(result.scores)
        change = region.smoother.update(result.scores, info.taken_s) if region.smoother else None
        invoke_ms = 1000 * (invoked_s - begin_s)
        timings.invoke_ms += invoke_ms
        timings.decide_ms += 1000 * (time.monotonic() - invoked_s)
        name = {"region": region.region} if region.region else {}
        if region.every_frame:
            yield create_frame_record(info, result, invoke_ms) | name
        if change:
            yield create_change_record(info, change) | name


def create_frame_record(info: FrameInfo, result: Classification, invoke_ms: float) -> Record:
    """Create the record of one frame."""
    return create_record("frame", info.seen_at) | {
        "frame": info.number,
        "label": result.label,
        "best": result.best,
        "score": round(result.score, 4),
        "ms": {
            "capture": round(info.capture_ms, 2),
            "prepare": round(info.prepare_ms, 2),
            "invoke": round(invoke_ms, 2),
        },
        "age_ms": round(1000 * (time.monotonic() - info.taken_s), 2),
        "source": os.fsdecode(info.source),
        **({"position_s": round(info.position_s, 3)} if info.position_s >= 0 else {}),
    }


def create_change_record(info: FrameInfo, change: LabelChange) -> Record:
    """Create the record of a change of the label."""
    known = {name: value for name, value in asdict(change).items() if value is not None}
    rounded = {name: round(it, 4) if isinstance(it, float) else it for name, it in known.items()}
    return create_record("change", info.seen_at) | {"frame": info.number} | rounded
