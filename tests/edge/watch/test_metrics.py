"""Figures of a watch: counted as they happen, never fewer than before, read by any thread."""

import hashlib
import json
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from vedette_edge import Classifier
from vedette_edge.capture.frame_buffer import FrameInfo
from vedette_edge.capture.supervisor import Supervisor
from vedette_edge.images.preprocessing import Image
from vedette_edge.log.records import create_record
from vedette_edge.sinks import FanOut
from vedette_edge.watch.controls import Controls
from vedette_edge.watch.loop import Watch
from vedette_edge.watch.metrics import Histogram, MetricsRecorder
from vedette_edge.watch.smoothing import LabelSmoother, SmoothingConfig
from vedette_edge.watch.stats import FrameTimings, Heartbeat, RegionState, WatchStats


@dataclass(slots=True)
class Camera:
    """The state of a supervised camera."""

    delivers: bool = True
    lost_s: float = 0.0
    silent_s: float = 0.0


class Rig:
    """A watch whose loop a test plays."""

    def __init__(self, classifier: Classifier) -> None:
        contract = classifier.contract
        smoother = LabelSmoother(contract.labels, contract.confidence, SmoothingConfig(0, 0.5))
        self.recorder, self.camera = MetricsRecorder(classifier, "change"), Camera()
        self.stats, self.smoother, self.controls = WatchStats(), smoother, Controls()
        watch = Watch(
            classifier,
            cast(Supervisor, self.camera),
            [RegionState("door", smoother, every_frame=False)],
            FanOut(),
            Heartbeat(0),
            self.stats,
            controls=self.controls,
        )
        self.watch = self.recorder.attach(watch)

    def add(self, number: int, skipped: int = 0, **timings: float) -> None:
        """Let the watch be done with a frame that was taken 20 ms before."""
        info = FrameInfo(number, time.time(), 100.0, 5.0, 2.0, skipped, b"camera")
        fields = {"invoke_ms": 10.0, "decide_ms": 0.5, "logged_s": 100.02} | timings
        frame = replace(FrameTimings(info, begun_s=100.008), **fields)  # type: ignore[arg-type]
        self.stats.add(frame)
        self.watch.on_frame(frame)
        self.watch.on_check()

    def change(self, label: str, region: str = "door") -> None:
        self.recorder.write(create_record("change") | {"region": region, "label": label})

    def read(self) -> dict[str, Any]:
        snapshot = self.recorder.snapshot()
        return cast(dict[str, Any], json.loads(json.dumps(snapshot)))


@pytest.fixture
def rig(model: Path) -> Rig:
    return Rig(Classifier(model))


def test_a_value_on_an_edge_counts_below_it() -> None:
    histogram = Histogram((0.1, 0.2))
    for value in (0.0, 0.1, 0.15, 0.2, 0.2001, 7.0):
        histogram.observe(value)
    assert histogram.copy() == {
        "edges": (0.1, 0.2),
        "counts": [2, 2, 2],
        "sum": pytest.approx(7.6501),
    }


def test_a_frame_is_counted_in_each_stage(rig: Rig) -> None:
    rig.add(3)
    snapshot = rig.read()
    assert {name: one["sum"] for name, one in snapshot["stages"].items()} == pytest.approx(
        {
            "capture": 0.005,
            "preprocess": 0.002,
            "handover": 0.006,  # of the 8 ms until the watch took it, 2 ms were its preparation
            "invoke": 0.010,
            "decide": 0.0005,
            "log": 0.0015,
        }
    )
    assert all(sum(one["counts"]) == 1 for one in snapshot["stages"].values())
    assert snapshot["age"]["sum"] == pytest.approx(0.02)
    assert snapshot["frames"] == {"classified": 1, "dropped": 2, "skipped": 0}


def test_before_its_first_frame_a_watch_has_figures_of_zero(model: Path) -> None:
    classifier = Classifier(model)
    snapshot = cast(dict[str, Any], MetricsRecorder(classifier, "change").snapshot())
    assert snapshot["frames"] == {"classified": 0, "dropped": 0, "skipped": 0}
    assert snapshot["camera"] == {"up": False, "losses": 0}
    assert snapshot["last_frame_at"] is None
    assert (snapshot["log"], snapshot["outputs"], snapshot["regions"]) == (None, {}, [])
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    assert snapshot["build"]["model_sha256"] == digest
    assert snapshot["build"]["interpreter"] == classifier.network.runtime


def test_no_counter_falls_when_a_capture_process_begins_anew(rig: Rig) -> None:
    rig.add(10)
    assert rig.read()["frames"] == {"classified": 1, "dropped": 9, "skipped": 0}
    rig.add(11, skipped=9)  # of another process, which skipped nine
    assert rig.stats.dropped < 9
    assert rig.read()["frames"] == {"classified": 2, "dropped": 9, "skipped": 9}


def test_a_camera_is_lost_once_however_long_and_counts_as_up_when_it_delivers(rig: Rig) -> None:
    rig.add(1)
    assert rig.read()["camera"] == {"up": True, "losses": 0}
    rig.camera.delivers = False
    for lost_s in (10.0, 11.0, 12.0):
        rig.camera.lost_s = lost_s
        rig.watch.on_check()
        assert rig.read()["camera"] == {"up": False, "losses": 1}
    rig.camera.delivers, rig.camera.lost_s = True, 0.0
    rig.watch.on_check()
    assert rig.read()["camera"] == {"up": True, "losses": 1}


def test_a_camera_that_never_delivered_is_lost_too(rig: Rig) -> None:
    rig.camera.delivers = False
    rig.watch.on_check()
    assert rig.read()["camera"] == {"up": False, "losses": 0}  # it opens
    rig.camera.lost_s = 0.1
    rig.watch.on_check()
    assert rig.read()["camera"] == {"up": False, "losses": 1}
    assert rig.read()["last_frame_at"] is None


def test_the_time_of_the_last_frame_stays_while_the_camera_is_lost(rig: Rig) -> None:
    rig.camera.silent_s = 2.0
    rig.watch.on_check()
    last_at = rig.read()["last_frame_at"]
    assert last_at == pytest.approx(time.time() - 2, abs=1)
    rig.camera.delivers, rig.camera.silent_s = False, 0.0  # a new process begins
    rig.watch.on_check()
    assert rig.read()["last_frame_at"] == last_at


def test_only_labels_that_stood_are_there(rig: Rig, model: Path) -> None:
    for label in ("red", "green", "red"):
        rig.change(label)
    rig.change("unknown", region="yard")
    snapshot = rig.read()
    assert snapshot["regions"] == [
        {"region": "door", "label": "red", "score": None},
        {"region": "yard", "label": "unknown", "score": None},
    ]
    assert [(one["region"], one["label"], one["count"]) for one in snapshot["changes"]] == [
        ("door", "red", 2),
        ("door", "green", 1),
        ("yard", "unknown", 1),
    ]


def test_the_score_is_that_of_the_label_that_stands(rig: Rig, model: Path) -> None:
    scores = Classifier(model).score(_paint(model)).scores
    change = rig.smoother.update(scores, 1.0)
    assert change
    rig.change(change.label)
    rig.watch.on_check()
    (region,) = rig.read()["regions"]
    assert region["score"] == pytest.approx(float(scores.max()))


def _paint(model: Path) -> Image:
    contract = Classifier(model).contract
    return np.full((contract.height, contract.width, 3), (220, 0, 0), np.uint8)


def test_other_records_are_not_counted(rig: Rig) -> None:
    for event in ("start", "heartbeat", "frame", "note"):
        rig.recorder.write(create_record(event) | {"label": "red"})
    assert rig.read()["changes"] == []


def test_of_files_the_label_of_each_image_counts_when_it_changes(model: Path) -> None:
    recorder = MetricsRecorder(Classifier(model), "frame")
    for label in ("red", "red", "blue"):
        recorder.write(create_record("frame") | {"label": label})
    changes = cast(list[dict[str, object]], recorder.snapshot()["changes"])
    assert [(one["label"], one["count"]) for one in changes] == [("red", 1), ("blue", 1)]


def test_a_frame_of_a_paused_watch_has_no_times(rig: Rig) -> None:
    rig.controls.paused = True
    info = FrameInfo(1, time.time(), 100.0, 5.0, 2.0, 0, b"camera")
    rig.stats.add_paused(info)
    rig.watch.on_frame(FrameTimings(info))
    rig.watch.on_check()
    snapshot = rig.read()
    assert (snapshot["paused"], snapshot["frames"]["skipped"]) == (True, 1)
    assert sum(snapshot["age"]["counts"]) == 0


def test_an_output_that_no_heartbeat_knows_can_be_added(rig: Rig) -> None:
    rig.recorder.add_output("metrics_file", lambda: {"up": True, "written": 1})
    assert rig.read()["outputs"] == {"metrics_file": {"up": True, "written": 1}}


def test_any_thread_reads_while_the_watch_counts(rig: Rig) -> None:
    failures, stop = list[BaseException](), threading.Event()

    def read() -> None:
        classified = 0
        try:
            while not stop.is_set():
                snapshot = rig.read()
                assert snapshot["frames"]["classified"] >= classified
                assert snapshot["frames"]["dropped"] == 0
                classified = snapshot["frames"]["classified"]
        except BaseException as error:
            failures.append(error)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    until_s, number = time.monotonic() + 1, 0
    while time.monotonic() < until_s:
        number += 1
        rig.add(number)
        rig.change(f"label {number % 1000}", region=f"region {number % 7}")
    stop.set()
    for reader in readers:
        reader.join()
    assert failures == []
    assert number > 500
