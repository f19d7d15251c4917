"""The speed of the real watch, and of its resize and invoke alone.

docs/bench.md explains each figure.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from vedette_edge.benchmark.baseline import Baseline, Spread, measure_baseline, measure_cpu_ms
from vedette_edge.benchmark.recorder import STAGES, FrameRecorder, Snapshot, Tick
from vedette_edge.cameras import synthetic
from vedette_edge.cameras.config import CameraConfig, CameraEvent
from vedette_edge.capture.orientation import Orientation
from vedette_edge.capture.region import WHOLE
from vedette_edge.capture.supervisor import Supervisor
from vedette_edge.capture.worker import CaptureConfig
from vedette_edge.errors import CameraError
from vedette_edge.images.test_pattern import draw_test_pattern
from vedette_edge.log.rotation import LogLimits
from vedette_edge.model.classifier import Classifier
from vedette_edge.sinks.log_file import LogFile
from vedette_edge.watch.loop import Watch, run_watch
from vedette_edge.watch.smoothing import LabelSmoother, SmoothingConfig
from vedette_edge.watch.stats import Heartbeat, RegionState

ALONE = 0.5  # of the watched time: duration of each of the two measurements of the baseline


@dataclass(frozen=True, slots=True)
class Comparison:
    """The baseline, and the watch divided by it."""

    bare: Baseline  # the field's name is the key in the JSON
    rate_ratio: float  # the watch's rate / the baseline's rate of resize and invoke
    cpu_ms: float  # per frame, of the baseline at the watch's rate
    cpu_ratio: float  # the watch's CPU time / that


@dataclass(frozen=True, slots=True)
class Measurement:
    """The figures of one watch."""

    threads: int
    camera: str  # the size and rate that it delivers
    interrupted: bool
    seconds: float
    frames: int  # classified and logged
    fps: float
    dropped: int
    stages_ms: dict[str, Spread]
    age_ms: Spread  # of a frame when its label is logged
    else_us: float  # of a frame's time in the watch, apart from invoke; median
    cpu_ms: float  # per frame, both processes
    cpu_share: dict[str, float]  # of one core, by process
    start: Snapshot
    end: Snapshot
    compared: Comparison | None = None  # None: interrupted before


def measure(
    classifier: Classifier, threads: int, config: CameraConfig, seconds: float, tick: Tick
) -> Measurement:
    """Watch for `seconds` after the warm-up and log each frame to a temporary file.

    Ctrl-C ends it with what was measured so far. Raises CameraError if the source fails or ends.
    """
    events: list[CameraEvent] = []
    spec, whole = classifier.contract, (WHOLE,)
    plan = CaptureConfig(config, Orientation(), spec, whole, 0.0, 0.0, every_frame=False)
    with (
        TemporaryDirectory() as folder,
        LogFile(Path(folder) / "watch.jsonl", LogLimits()) as log,
        Supervisor(plan, events.append, restarts=False) as camera,
    ):
        recorder = FrameRecorder(seconds, lambda: camera.pid, tick)
        interrupted = _watch_frames(classifier, camera, log, recorder)
        if camera.ended:
            raise CameraError(f"{config.name} ended; use a source that lasts longer")
        recorder.finish()
    delivered = next((event.detail for event in events if event.kind == "opened"), "")
    return _summarize(recorder, threads, delivered, interrupted=interrupted)


def compare(classifier: Classifier, watch: Measurement, config: CameraConfig) -> Comparison:
    """Measure resize and invoke alone, with drawn frames of the size that the camera delivered."""
    size = re.match(r"(\d+)x(\d+) ", watch.camera)
    width, height = map(int, size.groups()) if size else (config.width, config.height)
    frames_rgb = [draw_test_pattern(number, height, width) for number in range(synthetic.DRAWN)]
    seconds = ALONE * watch.seconds
    bare = measure_baseline(classifier, frames_rgb, seconds)
    cpu_ms = measure_cpu_ms(classifier, frames_rgb, watch.fps, seconds)
    return Comparison(bare, watch.fps / bare.both_per_s, cpu_ms, watch.cpu_ms / cpu_ms)


def _watch_frames(
    classifier: Classifier, camera: Supervisor, log: LogFile, recorder: FrameRecorder
) -> bool:
    """Watch until all is measured. Returns True if Ctrl-C came before."""
    contract = classifier.contract
    decider = LabelSmoother(contract.labels, contract.confidence, SmoothingConfig())
    regions = [RegionState("", decider, every_frame=True)]
    watch = Watch(classifier, camera, regions, log, Heartbeat(60.0), on_frame=recorder)
    try:
        run_watch(watch, recorder.done)
    except KeyboardInterrupt:
        return True
    return False


def _summarize(
    recorder: FrameRecorder, threads: int, camera: str, *, interrupted: bool
) -> Measurement:
    start, end, column = recorder.start, recorder.end, recorder.compute_columns()
    if not (start and end):
        raise KeyboardInterrupt  # it came before anything was measured
    frames, seconds = len(column["number"]), end.at_s - start.at_s
    cpu_s = {
        "watch": end.watch.cpu_s - start.watch.cpu_s,
        "capture": end.capture.cpu_s - start.capture.cpu_s,
    }
    return Measurement(
        threads=threads,
        camera=camera,
        interrupted=interrupted,
        seconds=seconds,
        frames=frames,
        fps=frames / seconds,
        dropped=int(np.ptp(column["number"])) + 1 - frames,
        stages_ms={stage: Spread.of(column[stage]) for stage in STAGES},
        age_ms=Spread.of(column["age"]),
        else_us=_compute_else_us(column),
        cpu_ms=1000 * sum(cpu_s.values()) / frames,
        cpu_share={name: used_s / seconds for name, used_s in cpu_s.items()},
        start=start,
        end=end,
    )


def _compute_else_us(column: dict[str, NDArray[np.float64]]) -> float:
    """Compute the median time per frame that the watch takes apart from invoke, in µs.

    A frame's time starts when it is prepared and the frame before it is logged, and ends when its
    own label is logged.
    """
    logged_s = column["logged_s"]
    free_s = np.maximum(logged_s[:-1], column["ready_s"][1:])
    return float(np.median(1e6 * (logged_s[1:] - free_s) - 1000 * column["invoke"][1:]))
