"""A camera that hangs, but still delivers, is noticed."""

import numpy as np
from tests.edge.watch.test_loop import Kept

from vedette_edge.cameras.config import CameraEvent
from vedette_edge.capture.frozen import FROZEN_S, FrozenDetector
from vedette_edge.watch.reporter import WatchReporter

ONE, OTHER = np.zeros((1, 4, 4, 3), np.uint8), np.ones((1, 4, 4, 3), np.uint8)


def test_frames_that_stay_identical_are_reported_once_until_they_change() -> None:
    now_s = 0.0
    detector = FrozenDetector(lambda: now_s)
    reports = []
    for step in range(400):
        now_s += 10
        crops = OTHER if step == 200 else ONE
        if detector.detect(crops):
            reports.append(now_s)
    assert reports == [10 + FROZEN_S, 2020 + FROZEN_S]


def test_a_bit_that_changes_now_and_then_is_a_camera_that_works() -> None:
    now_s = 0.0
    detector = FrozenDetector(lambda: now_s)
    for step in range(1000):
        now_s += 10
        assert not detector.detect(OTHER if step % 50 == 0 else ONE)


def test_a_frozen_camera_is_a_note_in_the_log() -> None:
    kept = Kept()
    reporter = WatchReporter(kept, "/dev/video0", lambda: 0, continuous=True)
    reporter.report(CameraEvent("frozen"))
    (note,) = kept.select("note")
    assert "the same picture" in note["text"]
