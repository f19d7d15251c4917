"""The recorder computes stages from the moments of a frame, and measures its process."""

import os
import time

import numpy as np
import pytest

from vedette_edge.benchmark.recorder import WARM_UP, FrameRecorder, ProcessUsage
from vedette_edge.capture.frame_buffer import FrameInfo
from vedette_edge.watch.stats import FrameTimings


def create_timings(number: int, *, taken_s: float) -> FrameTimings:
    info = FrameInfo(number, 0.0, taken_s, 1.0, 2.0, 0, b"")
    return FrameTimings(info, taken_s + 0.003, 4.0, 0.5, taken_s + 0.008)


def test_stages_lie_between_the_moments_of_a_frame() -> None:
    recorder = FrameRecorder(60, os.getpid, lambda passed_s, frames: None)
    for number in range(WARM_UP + 3):
        recorder(create_timings(number, taken_s=100.0 + number))
    columns = recorder.compute_columns()
    assert columns["number"].tolist() == [WARM_UP, WARM_UP + 1, WARM_UP + 2]
    expected = {"capture": 1.0, "prepare": 2.0, "handover": 1.0, "invoke": 4.0, "decide": 0.5}
    for stage, ms in (expected | {"log": 0.5, "age": 8.0}).items():
        assert columns[stage] == pytest.approx(np.full(3, ms), abs=1e-6)


def test_the_usage_of_a_process_is_its_own() -> None:
    before = ProcessUsage.measure(os.getpid())
    until_s = time.process_time() + 0.2
    while time.process_time() < until_s:
        pass
    after = ProcessUsage.measure(os.getpid())
    assert after.cpu_s - before.cpu_s == pytest.approx(0.2, abs=0.05)
    assert before.rss_mb
    assert before.rss_mb > 10
