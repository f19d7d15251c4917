"""The gate between the watch and its outputs, and the thread that serves them."""

import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from vedette_edge.capture.frame_buffer import FrameInfo
from vedette_edge.capture.originals import Original, Originals
from vedette_edge.capture.region import WHOLE, Region
from vedette_edge.images.preprocessing import Image
from vedette_edge.log.records import Record, create_record
from vedette_edge.model.contract import Confidence
from vedette_edge.policy.memory import PolicyMemory
from vedette_edge.policy.policy import Policy
from vedette_edge.policy.rule import parse_rules
from vedette_edge.sinks.snapshot_files import SnapshotLimits
from vedette_edge.sinks.snapshot_folder import SnapshotFolder
from vedette_edge.watch.dispatcher import MOST_DELIVERIES, MOST_ORIGINALS, Dispatcher, Outputs
from vedette_edge.watch.notifier import Notifier
from vedette_edge.watch.smoothing import LabelSmoother, SmoothingConfig
from vedette_edge.watch.stats import FrameTimings, RegionState


class Kept:
    """A sink that keeps its records."""

    def __init__(self) -> None:
        self.records: list[dict[str, object]] = []

    def write(self, record: object) -> None:
        self.records.append(dict(record))  # type: ignore[call-overload]


class HangingFolder(SnapshotFolder):
    """A folder whose first picture holds up the thread that hands it over."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, SnapshotLimits())
        self.answer = threading.Event()

    def write(self, name: str, jpeg: bytes) -> None:
        self.answer.wait()
        super().write(name, jpeg)


class Grey:
    """A camera that shows one grey; `scale` is that of its originals."""

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale

    def keep_originals(self, needed: Originals) -> None:
        pass

    def copy_original(self) -> Original:
        return Original(np.full((48, 64, 3), 90, np.uint8), self.scale)


class Setup:
    """A notifier with a folder for snapshots, and a camera that shows one grey."""

    def __init__(self, folder: SnapshotFolder, rules: list[dict[str, object]]) -> None:
        self.now_s, self.sink, self.sent = 0.0, Kept(), 0
        self.dispatcher = Dispatcher(Outputs(snapshots=folder))
        policy = Policy(parse_rules(rules), PolicyMemory(), lambda: self.now_s, lambda: 1.8e9)
        self.notifier = Notifier(self.sink, policy, self.dispatcher, self.count)
        self.notifier.attach(self, [WHOLE], names_files=True)
        self.grey, self.originals = 0, list[weakref.ref[Image]]()

    def count(self) -> None:
        self.sent += 1

    def keep_originals(self, needed: Originals) -> None:
        self.needed = needed

    def copy_original(self) -> Original:
        image_rgb = np.full((48, 64, 3), self.grey, np.uint8)
        self.originals.append(weakref.ref(image_rgb))
        return Original(image_rgb, 1.0)

    def change(self, label: str, number: int, score: float = 0.9) -> dict[str, object]:
        self.grey = number % 256
        fields: Record = {"frame": number, "label": label, "best": label, "score": score}
        self.notifier.write(create_record("change", 1.8e9 + number) | fields)
        return self.sink.records[-1]


Create = Callable[..., Setup]


@pytest.fixture
def folder(tmp_path: Path) -> SnapshotFolder:
    return SnapshotFolder(tmp_path / "snapshots", SnapshotLimits())


def list_greys(path: Path) -> list[int]:
    """List the greys of the pictures, by name and so by time."""
    images = [cv2.imread(str(one)) for one in sorted((path / "snapshots").iterdir())]
    return [round(float(np.mean(image))) for image in images if image is not None]


def test_the_record_names_the_snapshot_that_is_written(
    folder: SnapshotFolder, tmp_path: Path
) -> None:
    setup = Setup(folder, [{"label": "fox", "snapshot": True}])
    with setup.dispatcher:
        fox, hen = setup.change("fox", 100), setup.change("hen", 200)
    assert "snapshot" not in hen
    assert [path.name for path in (tmp_path / "snapshots").iterdir()] == [fox["snapshot"]]
    assert list_greys(tmp_path) == [100]
    assert setup.sent == 1


def test_a_rule_that_waits_sends_the_picture_of_the_change_and_keeps_no_original(
    folder: SnapshotFolder, tmp_path: Path
) -> None:
    setup = Setup(folder, [{"label": "fox", "for": 5, "snapshot": True}])
    with setup.dispatcher:
        assert "snapshot" not in setup.change("fox", 100)
        limit_s = time.monotonic() + 30
        while setup.originals[0]() is not None:
            assert time.monotonic() < limit_s
            time.sleep(0.01)
        setup.grey, setup.now_s = 200, 5.0
        setup.notifier.check()
    assert list_greys(tmp_path) == [100]


def test_a_record_names_no_file_when_that_of_another_is_due(
    folder: SnapshotFolder, tmp_path: Path
) -> None:
    setup = Setup(folder, [{"first": "day", "cooldown": 600, "snapshot": True}])
    with setup.dispatcher:
        setup.change("fox", 50)
        setup.now_s = 10.0
        assert "snapshot" not in setup.change("hen", 100)  # waits for the end of the cooldown
        setup.now_s = 600.0
        assert "snapshot" not in setup.change("fox", 150)
    assert list_greys(tmp_path) == [50, 100]


def test_a_score_that_is_reached_later_sends_the_picture_of_that_frame(
    folder: SnapshotFolder, tmp_path: Path
) -> None:
    setup = Setup(folder, [{"label": "fox", "score": 0.8, "snapshot": True}])
    smoothing = SmoothingConfig(smoothing_s=0, enter=0.5, leave=0.3, dwell_s=0)
    smoother = LabelSmoother(("fox", "hen"), Confidence(1.0, 0.0), smoothing)
    regions = [RegionState("", smoother, every_frame=False)]
    with setup.dispatcher:
        smoother.update(np.array([0.6, 0.4], np.float32), 0.0)
        setup.change("fox", 100, 0.6)
        for number, score in ((150, 0.7), (200, 0.85), (250, 0.95)):
            smoother.update(np.array([score, 1 - score], np.float32), float(number))
            setup.grey = number
            info = FrameInfo(number, 1.8e9 + number, 0.0, 0.0, 0.0, 0, b"")
            setup.notifier.add_frame(FrameTimings(info), regions)
    assert list_greys(tmp_path) == [200]
    (name,) = (path.name for path in (tmp_path / "snapshots").iterdir())
    assert "-200-" in name


def test_other_records_pass_and_are_not_decided_about(folder: SnapshotFolder) -> None:
    setup = Setup(folder, [{"snapshot": True}])
    with setup.dispatcher:
        for event in ("start", "heartbeat", "frame", "note", "camera_lost"):
            setup.notifier.write(create_record(event))
    assert [record["event"] for record in setup.sink.records] == [
        *("start", "heartbeat", "frame", "note", "camera_lost")
    ]
    assert (setup.sent, setup.originals) == (0, [])


def test_outputs_that_hang_make_the_watch_wait_for_nothing(tmp_path: Path) -> None:
    folder = HangingFolder(tmp_path / "snapshots")
    setup = Setup(folder, [{"snapshot": True}])
    with setup.dispatcher:
        for number in range(1000):
            setup.change("fox", number)
        alive = [one for one in setup.originals if one() is not None]
        assert len(alive) <= MOST_ORIGINALS + 1
        assert setup.dispatcher.dropped >= 1000 - MOST_DELIVERIES
        folder.answer.set()
    assert len(setup.sink.records) == 1000


@pytest.mark.parametrize("scale", [1.0, 0.25])
def test_the_region_of_a_change_is_drawn_where_it_is(tmp_path: Path, scale: float) -> None:
    folder = SnapshotFolder(tmp_path / "snapshots", SnapshotLimits())
    dispatcher = Dispatcher(Outputs(snapshots=folder, marked=True))
    policy = Policy(parse_rules([{"snapshot": True}]), PolicyMemory())
    notifier = Notifier(Kept(), policy, dispatcher, lambda: None)
    rectangles = {"door": (8, 8, 24, 24), "nest": (40, 16, 16, 24)}  # in the original
    regions = [Region(name, *(int(x / scale) for x in r)) for name, r in rectangles.items()]
    notifier.attach(Grey(scale), regions, names_files=True)
    with dispatcher:
        record = create_record("change") | {"label": "fox", "score": 0.9, "frame": 1}
        notifier.write(record | {"region": "nest"})
    (marked,) = (tmp_path / "snapshots").glob("*-region.jpg")
    image_bgr = cv2.imread(str(marked))
    assert image_bgr is not None
    assert image_bgr[16:40, 40:42].max() > 180
    assert image_bgr[:, :32].max() < 120


def test_no_original_is_copied_while_no_label_can_change(folder: SnapshotFolder) -> None:
    setup = Setup(folder, [{"snapshot": True}])
    smoothing = SmoothingConfig(smoothing_s=1.0, enter=0.5, leave=0.35, dwell_s=0)
    smoother = LabelSmoother(("fox", "hen"), Confidence(1.0, 0.0), smoothing)
    regions = [RegionState("", smoother, every_frame=False)]
    needed, labels = list[Originals](), list[str]()

    def classify(number: int, fox: float) -> None:
        taken_s = number / 30
        smoother.update(np.array([fox, 1 - fox], np.float32), taken_s)
        info = FrameInfo(number, 0.0, taken_s, 0.0, 0.0, 0, b"")
        setup.notifier.add_frame(FrameTimings(info), regions)
        needed.append(setup.needed)
        labels.append(smoother.label)

    with setup.dispatcher:
        assert setup.needed == Originals.ALL
        for number in range(1, 300):
            classify(number, 0.95 if number < 200 else 0.05)
    turn = labels.index("hen")
    assert needed[198] == Originals.AFTER_GAPS
    assert turn > 200
    assert all(one == Originals.ALL for one in needed[turn - 5 : turn + 1])
    assert needed[-1] == Originals.AFTER_GAPS


class Scene:
    """A scene of a few labels, for which a notifier decides at 30 frames a second."""

    def __init__(self, setup: Setup, labels: tuple[str, ...]) -> None:
        smoothing = SmoothingConfig(smoothing_s=1.0, enter=0.5, leave=0.35, dwell_s=0)
        self.smoother = LabelSmoother(labels, Confidence(1.0, 0.0), smoothing)
        self.setup, self.labels, self.number = setup, labels, 0
        self.regions = [RegionState("", self.smoother, every_frame=False)]

    def show(self, label: str, score: float, frames: int) -> Originals:
        """Show frames with a label at a score; return which originals are needed then."""
        rest = (1 - score) / (len(self.labels) - 1)
        scores = np.array([score if one == label else rest for one in self.labels], np.float32)
        for _ in range(frames):
            self.number += 1
            taken_s = self.number / 30
            change = self.smoother.update(scores, taken_s)
            if change:
                self.setup.change(change.label, self.number, change.score)
            info = FrameInfo(self.number, 1.8e9 + taken_s, taken_s, 0.0, 0.0, 0, b"")
            self.setup.notifier.add_frame(FrameTimings(info), self.regions)
        return self.setup.needed


def test_a_rule_that_waits_for_a_score_keeps_no_original(folder: SnapshotFolder) -> None:
    """Not even where the score is reached, and a cooldown or `for` holds it back."""
    labels = tuple(f"label {number}" for number in range(12))
    rule: dict[str, object] = {"first": "day", "score": 0.8, "cooldown": 600, "snapshot": True}
    setup = Setup(folder, [rule, rule | {"for": 900}])
    scene = Scene(setup, labels)
    with setup.dispatcher:
        for label in labels:
            scene.show(label, 0.95, 120)
        limit_s = time.monotonic() + 30
        while any(one() is not None for one in setup.originals):
            assert time.monotonic() < limit_s
            time.sleep(0.01)
    assert len(setup.originals) <= 2 * len(labels)


def test_a_score_that_cannot_be_reached_yet_needs_no_original(folder: SnapshotFolder) -> None:
    setup = Setup(folder, [{"score": 0.9, "snapshot": True}])
    scene = Scene(setup, ("fox", "hen", "empty"))
    with setup.dispatcher:
        assert scene.show("fox", 0.34, 100) == Originals.AFTER_GAPS  # unknown stands
        assert scene.smoother.label == "unknown"
        assert scene.show("fox", 0.75, 200) == Originals.AFTER_GAPS
        assert scene.smoother.label == "fox"
        assert setup.sent == 0
        assert scene.show("fox", 0.88, 100) == Originals.ALL  # the next frames may reach it
        scene.show("fox", 0.95, 100)
        assert setup.sent == 1
        assert scene.show("fox", 0.95, 100) == Originals.AFTER_GAPS


def test_after_a_change_of_thresholds_originals_are_kept(folder: SnapshotFolder) -> None:
    setup = Setup(folder, [{"snapshot": True}])
    scene = Scene(setup, ("fox", "hen"))
    with setup.dispatcher:
        assert scene.show("fox", 0.95, 200) == Originals.AFTER_GAPS
        setup.notifier.expect_changes()
        assert setup.needed == Originals.ALL


def test_two_rules_that_fire_one_after_the_other_write_one_picture(
    folder: SnapshotFolder, tmp_path: Path
) -> None:
    setup = Setup(folder, [{"snapshot": True}, {"for": 5, "snapshot": True}])
    with setup.dispatcher:
        setup.change("fox", 100)
        setup.now_s = 5.0
        setup.notifier.check()
    assert setup.sent == 2
    assert folder.read_counters().written == 1
    assert list_greys(tmp_path) == [100]
