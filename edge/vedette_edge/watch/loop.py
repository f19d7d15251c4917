"""The watch: frame in, label out; what happens is told as records, each a line of JSON."""

import os
import select
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict

from vedette_edge.capture.frame_buffer import Crops, FrameInfo
from vedette_edge.capture.supervisor import Supervisor
from vedette_edge.log.records import Record, create_record, format_timestamp
from vedette_edge.model.classifier import Classification, Classifier
from vedette_edge.sinks import Sink
from vedette_edge.watch.smoothing import LabelChange
from vedette_edge.watch.stats import FrameTimings, Heartbeat, RegionState, WatchStats

TICK_S = 0.5  # how often it is looked whether anything else is due, where no frames come
PAUSE_S = 0.1  # the same where they do


def run_watch(
    classifier: Classifier,
    camera: Supervisor,
    scenes: Sequence[RegionState],
    sink: Sink,
    *,
    tally: WatchStats,
    heartbeat: Heartbeat,
    seen: Callable[[FrameTimings], None],
    stop: int | None = None,
) -> None:
    """Classify the newest frame again and again, until frames end or `stop` is readable.

    `seen` is called after each frame that was classified and told of, with where its time went.
    """
    due_s = 0.0
    while not camera.ended:
        if frame := camera.next_frame(TICK_S, stop):
            times = FrameTimings(frame[0])
            for record in classify_frame(classifier, frame, scenes, times):
                sink.write(record)
            times.logged_s = time.monotonic()
            _count(tally, times)
            seen(times)
            if times.logged_s < due_s:
                continue
        due_s = time.monotonic() + PAUSE_S
        if _readable(stop):
            return
        for record in heartbeat.due(tally, scenes, sink):
            sink.write(record)


def classify_frame(
    classifier: Classifier,
    frame: tuple[FrameInfo, Crops],
    scenes: Sequence[RegionState],
    times: FrameTimings,
) -> Iterator[Record]:
    """Classify the parts of a frame; gives what is to be told of them, and adds to `times`."""
    about, parts = frame
    for scene, prepared in zip(scenes, parts, strict=True):
        begin_s = time.monotonic()
        found = classifier.score(prepared)
        invoked_s = time.monotonic()
        change = scene.smoother.update(found.scores, about.taken_s) if scene.smoother else None
        invoke_ms = 1000 * (invoked_s - begin_s)
        times.invoke_ms += invoke_ms
        times.decide_ms += 1000 * (time.monotonic() - invoked_s)
        if scene.every_frame:
            yield _frame(about, found, invoke_ms, scene)
        if change:
            yield _change(about, change, scene)


def _frame(about: FrameInfo, found: Classification, invoke_ms: float, scene: RegionState) -> Record:
    record = {
        "time": format_timestamp(about.seen_at),
        "event": "frame",
        "frame": about.number,
        "label": found.label,
        "score": round(found.score, 4),
        "ms": {
            "capture": round(about.capture_ms, 2),
            "prepare": round(about.prepare_ms, 2),
            "invoke": round(invoke_ms, 2),
        },
        "age_ms": round(1000 * (time.monotonic() - about.taken_s), 2),
        "source": os.fsdecode(about.source),
    }
    return _placed(record, scene)


def _change(about: FrameInfo, change: LabelChange, scene: RegionState) -> Record:
    score, lasted_s = round(change.score, 4), round(change.lasted_s, 3)
    rounded = asdict(change) | {"score": score, "lasted_s": lasted_s}
    return _placed(create_record("change", about.seen_at) | rounded, scene)


def _placed(record: Record, scene: RegionState) -> Record:
    """With the region that it is about."""
    return record | {"region": scene.region} if scene.region else record


def _count(tally: WatchStats, times: FrameTimings) -> None:
    tally.seen += 1
    tally.last, tally.skipped = times.about.number, times.about.skipped
    tally.age_ms = 1000 * (times.logged_s - times.about.taken_s)


def _readable(descriptor: int | None) -> bool:
    if descriptor is None:
        return False
    return bool(select.select([descriptor], [], [], 0)[0])
