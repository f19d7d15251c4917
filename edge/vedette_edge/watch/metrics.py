"""Figures of a watch for Prometheus: counted in the watch's thread, read in any other."""

import hashlib
import time
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property

from vedette_edge.host.raspberry_pi import read_health
from vedette_edge.host.version import read_version
from vedette_edge.model.classifier import Classifier
from vedette_edge.watch.loop import Watch
from vedette_edge.watch.stats import FrameTimings

OUTCOMES = ("classified", "dropped", "skipped")  # of frames
STAGES = ("capture", "preprocess", "handover", "invoke", "decide", "log")
STAGE_EDGES_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
AGE_EDGES_S = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class Histogram:
    """Counts of values up to each edge, and their sum. For one thread; any can copy it."""

    def __init__(self, edges: tuple[float, ...]) -> None:
        self._edges = edges
        self._counts = [0] * (len(edges) + 1)  # the last is of values beyond all edges
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self._edges, value)] += 1
        self._sum += value

    def copy(self) -> dict[str, object]:
        """Copy the counts, each of the values between two edges alone."""
        return {"edges": self._edges, "counts": self._counts.copy(), "sum": self._sum}


@dataclass(frozen=True, slots=True)
class Moment:
    """The state of a watch at its latest check; replaced as a whole, so a reader sees one."""

    frames: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    unclassified: int = 0  # regions whose scores were not finite
    scores: Mapping[str, float] = field(default_factory=dict)  # of the labels that stand, by region
    camera_up: bool = False
    camera_lost: bool = False  # and reported; a camera that opens is neither up nor lost
    losses: int = 0
    last_frame_at: float | None = None  # seconds since the epoch; also of one that was skipped
    paused: bool = False


class MetricsRecorder:
    """Counts what a watch does. A sink of its records.

    All methods but `snapshot` are for the watch's thread.
    """

    def __init__(self, classifier: Classifier, event: str) -> None:
        """`event` names the records with labels: change, or frame if each image is reported."""
        self._classifier, self._event, self._started_at = classifier, event, time.time()
        self._stages = [Histogram(STAGE_EDGES_S) for _ in STAGES]
        self._age = Histogram(AGE_EDGES_S)
        self._labels: dict[str, str] = {}  # that stand, by region
        self._changes: dict[tuple[str, str], int] = {}  # by region and label
        self._moment = Moment()
        self._watch: Watch | None = None
        self._outputs: dict[str, Callable[[], Mapping[str, object]]] = {}

    def add_output(self, name: str, read_counters: Callable[[], Mapping[str, object]]) -> None:
        """Add an output that the watch's heartbeats do not know."""
        self._outputs[name] = read_counters

    def attach(self, watch: Watch) -> Watch:
        """Return the watch with hooks that count its frames."""
        self._watch = watch

        def on_frame(timings: FrameTimings) -> None:
            watch.on_frame(timings)
            if timings.logged_s:  # else it is paused
                self._observe(timings)

        def on_check() -> None:
            watch.on_check()
            self._moment = self._look(watch)

        return replace(watch, on_frame=on_frame, on_check=on_check)

    def write(self, record: Mapping[str, object]) -> None:
        """Count a change of a label."""
        if record["event"] != self._event:
            return
        region, label = str(record.get("region", "")), str(record["label"])
        if label != self._labels.get(region):
            self._changes[region, label] = self._changes.get((region, label), 0) + 1
            self._labels[region] = label  # afterwards: a label that stands has been counted

    def snapshot(self) -> dict[str, object]:
        """Copy all figures, as values that JSON knows. For any thread."""
        moment, labels, health = self._moment, self._labels.copy(), read_health()
        return {
            "build": self._build,
            "started_at": self._started_at,
            "frames": moment.frames,
            "unclassified_regions": moment.unclassified,
            "stages": {name: one.copy() for name, one in zip(STAGES, self._stages, strict=True)},
            "age": self._age.copy(),
            "regions": [
                {"region": region, "label": label, "score": moment.scores.get(region)}
                for region, label in labels.items()
            ],
            "changes": [
                {"region": region, "label": label, "count": count}
                for (region, label), count in self._changes.copy().items()
            ],
            "camera": {"up": moment.camera_up, "losses": moment.losses},
            "last_frame_at": moment.last_frame_at,
            "paused": moment.paused,
            "log": self._read_log(),
            "outputs": self._read_outputs(),
            "health": asdict(health),
        }

    def _observe(self, timings: FrameTimings) -> None:
        info = timings.info
        invoke_s, decide_s = timings.invoke_ms / 1000, timings.decide_ms / 1000
        preprocess_s = info.prepare_ms / 1000
        seconds = (
            info.capture_ms / 1000,
            preprocess_s,
            max(0.0, timings.begun_s - info.taken_s - preprocess_s),  # taken when captured
            invoke_s,
            decide_s,
            max(0.0, timings.logged_s - timings.begun_s - invoke_s - decide_s),
        )
        for histogram, value in zip(self._stages, seconds, strict=True):
            histogram.observe(value)
        self._age.observe(timings.logged_s - info.taken_s)

    def _look(self, watch: Watch) -> Moment:
        """Read what the watch has counted so far."""
        before, camera, stats = self._moment, watch.camera, watch.stats
        smoothers = {one.region: one.smoother for one in watch.regions if one.smoother}
        scores = {region: one.score for region, one in smoothers.items()}
        is_lost = camera.lost_s > 0
        counts = zip(OUTCOMES, (stats.frames, stats.dropped, stats.skipped), strict=True)
        return Moment(
            # No counter may fall, as that of dropped frames could when a capture process begins.
            frames={name: max(before.frames[name], one) for name, one in counts},
            unclassified=stats.unclassified,
            scores={region: score for region, score in scores.items() if score is not None},
            camera_up=camera.delivers,
            camera_lost=is_lost,
            losses=before.losses + (is_lost and not before.camera_lost),
            last_frame_at=time.time() - camera.silent_s
            if camera.delivers
            else before.last_frame_at,
            paused=watch.controls.paused,
        )

    @cached_property
    def _build(self) -> dict[str, str]:
        """The versions of everything; the model is hashed when somebody first asks."""
        model = self._classifier.model
        return {
            "version": read_version(),
            "interpreter": self._classifier.network.runtime,
            "model": model.path.name,
            "model_sha256": hashlib.sha256(model.data).hexdigest(),
        }

    def _read_log(self) -> dict[str, object] | None:
        log = self._watch.heartbeat.log if self._watch else None
        return asdict(log.read_counters()) if log else None

    def _read_outputs(self) -> dict[str, Mapping[str, object]]:
        known = self._watch.heartbeat.read_outputs() if self._watch else {}
        return {**known, **{name: read() for name, read in self._outputs.items()}}
