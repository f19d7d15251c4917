"""How fast the watch is: the real one, measured, beside what its resize and invoke cost alone.

docs/bench.md says what each figure is.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from vedette_edge.benchmark.bare import Bare, Spread, cpu_alone_ms, measure_bare
from vedette_edge.benchmark.recorder import STAGES, FrameRecorder, Snapshot, Tick
from vedette_edge.cameras import CameraConfig, CameraEvent, synthetic
from vedette_edge.capture.orientation import Orientation
from vedette_edge.capture.region import WHOLE
from vedette_edge.capture.supervisor import Supervisor
from vedette_edge.capture.worker import CaptureConfig
from vedette_edge.errors import CameraError
from vedette_edge.images import test_pattern
from vedette_edge.log.rotation import LogLimits
from vedette_edge.model.classifier import Classifier
from vedette_edge.sinks.log_file import LogFile
from vedette_edge.watch.loop import Watch, run_watch
from vedette_edge.watch.smoothing import LabelSmoother, SmoothingConfig
from vedette_edge.watch.stats import Heartbeat, RegionState

ALONE = 0.5  # of the time that is watched: so long the same is done alone, twice


@dataclass(frozen=True, slots=True)
class Measurement:
    """What was measured of a watch."""

    threads: int
    camera: str  # what it says it delivers
    interrupted: bool
    seconds: float
    frames: int  # classified and logged
    fps: float
    dropped: int
    stages_ms: dict[str, Spread]
    age_ms: Spread  # of a frame when its label is logged
    else_us: float  # of a frame's time in the watch, apart from invoke; median
    cpu_ms: float  # a frame, both processes
    cpu_share: dict[str, float]  # of one core, by process
    start: Snapshot
    end: Snapshot


@dataclass(frozen=True, slots=True)
class Comparison:
    """The same resize and invoke alone, in one process."""

    bare: Bare
    rate_ratio: float  # the watch's rate to what resize and bare invoke allow
    cpu_ms: float  # a frame, at the watch's own rate
    cpu_ratio: float  # the watch's to that


def measure(
    classifier: Classifier, threads: int, wish: CameraConfig, seconds: float, tick: Tick
) -> Measurement:
    """Watch for so long after a warm-up, each frame decided on and logged to a temporary file.

    Ctrl-C ends it with what was measured so far. Raises CameraError where the source fails or ends.
    """
    delivered = [""]

    def note_event(event: CameraEvent) -> None:
        if event.kind == "opened":
            delivered[0] = event.detail

    plan = CaptureConfig(
        wish, Orientation(), classifier.contract, (WHOLE,), 0.0, 0.0, every_frame=False
    )
    with (
        TemporaryDirectory() as folder,
        LogFile(Path(folder) / "watch.jsonl", LogLimits()) as log,
        Supervisor(plan, note_event, restarts=False) as camera,
    ):
        gauge = FrameRecorder(seconds, lambda: camera.pid, tick)
        interrupted = _interrupted(classifier, camera, log, gauge)
        if camera.ended:
            raise CameraError(f"{wish.name} has ended; measure with a source that lasts longer")
        gauge.finish()
    if not (gauge.start and gauge.end):
        raise KeyboardInterrupt  # before anything was measured
    return _result(threads, delivered[0], interrupted, gauge.columns(), gauge.start, gauge.end)


def compare(classifier: Classifier, watched: Measurement, wish: CameraConfig) -> Comparison:
    """Resize and invoke alone, of drawn frames of the size that the camera delivered."""
    size = re.match(r"(\d+)x(\d+) ", watched.camera)
    width, height = map(int, size.groups()) if size else (wish.width, wish.height)
    frames_rgb = [
        test_pattern.draw_test_pattern(number, height, width) for number in range(synthetic.DRAWN)
    ]
    seconds = ALONE * watched.seconds
    bare = measure_bare(classifier, frames_rgb, seconds)
    cpu_ms = cpu_alone_ms(classifier, frames_rgb, watched.fps, seconds)
    return Comparison(bare, watched.fps / bare.both_per_s, cpu_ms, watched.cpu_ms / cpu_ms)


def _interrupted(
    classifier: Classifier, camera: Supervisor, log: LogFile, gauge: FrameRecorder
) -> bool:
    """Watch until all is measured; gives whether Ctrl-C came before."""
    contract = classifier.contract
    decider = LabelSmoother(contract.labels, contract.confidence, SmoothingConfig())
    regions = [RegionState("", decider, every_frame=True)]
    watch = Watch(classifier, camera, regions, log, Heartbeat(60.0), on_frame=gauge)
    try:
        run_watch(watch, gauge.done)
    except KeyboardInterrupt:
        return True
    return False


def _result(
    threads: int,
    camera: str,
    interrupted: bool,
    column: dict[str, NDArray[np.float64]],
    start: Snapshot,
    end: Snapshot,
) -> Measurement:
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
        else_us=_else_us(column),
        cpu_ms=1000 * sum(cpu_s.values()) / frames,
        cpu_share={name: spent_s / seconds for name, spent_s in cpu_s.items()},
        start=start,
        end=end,
    )


def _else_us(column: dict[str, NDArray[np.float64]]) -> float:
    """From when a frame was there and the one before was logged, to its own label; less invoke."""
    logged_s = column["logged_s"]
    free_s = np.maximum(logged_s[:-1], column["given_s"][1:])
    return float(np.median(1e6 * (logged_s[1:] - free_s) - 1000 * column["invoke"][1:]))
