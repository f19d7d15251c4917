"""`vedette bench` measures the real watch, and says what it is compared with."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from vedette_edge import Classifier
from vedette_edge.__main__ import main
from vedette_edge.bare import Spread, cpu_alone_ms, measure_bare
from vedette_edge.cameras.synthetic import picture
from vedette_edge.gauge import WARM_UP, Gauge, Load
from vedette_edge.handover import About
from vedette_edge.watch import Times

pytestmark = pytest.mark.single_cpu
STAGES = ["capture", "prepare", "handover", "invoke", "decide", "log"]


def bench(model: Path, *flags: str) -> Result:
    command = ["bench", str(model), "--seconds", "1", "--threads", "1", *flags]
    return CliRunner().invoke(main, command, catch_exceptions=False)


@pytest.fixture(scope="module")
def measured() -> dict[str, Any]:
    """At a camera's rate, on two numbers of threads."""
    model = Path(__file__).parent / "colours.tflite"
    flags = ("--camera", "synthetic:320x240@50", "--threads", "1,2", "--json")
    found: dict[str, Any] = json.loads(bench(model, *flags).stdout)
    return found


def test_each_number_of_threads_is_a_run(measured: dict[str, Any]) -> None:
    assert [run["threads"] for run in measured["runs"]] == [1, 2]
    assert measured["camera"] == "synthetic:320x240@50"
    assert {run["camera"] for run in measured["runs"]} == {"320x240 RGB 50/s"}


def test_each_stage_has_its_percentiles(measured: dict[str, Any]) -> None:
    for run in measured["runs"]:
        assert list(run["stages_ms"]) == STAGES
        for spread in [*run["stages_ms"].values(), run["age_ms"]]:
            assert 0 <= spread["p50"] <= spread["p95"] <= spread["p99"]


def test_a_frame_s_age_is_the_sum_of_its_stages(measured: dict[str, Any]) -> None:
    for run in measured["runs"]:
        after_capture = [run["stages_ms"][stage]["p50"] for stage in STAGES[1:]]
        assert sum(after_capture) == pytest.approx(run["age_ms"]["p50"], rel=0.5)


def test_all_frames_of_a_slow_camera_are_seen_or_counted_as_overtaken(
    measured: dict[str, Any],
) -> None:
    for run in measured["runs"]:
        came = run["frames"] + run["overtaken"]
        assert came == pytest.approx(50 * run["seconds"], abs=10)
        assert run["fps"] == pytest.approx(run["frames"] / run["seconds"], abs=0.01)


def test_both_processes_are_told_of_at_start_and_end(measured: dict[str, Any]) -> None:
    for run in measured["runs"]:
        for moment in (run["start"], run["end"]):
            for process in ("watch", "capture"):
                assert 10 < moment[process]["pss_mb"] <= moment[process]["rss_mb"]
        for process in ("watch", "capture"):
            spent_s = run["end"][process]["cpu_s"] - run["start"][process]["cpu_s"]
            assert spent_s > 0
            assert run["cpu_share"][process] == pytest.approx(spent_s / run["seconds"], abs=1e-3)


def test_what_it_is_compared_with_is_of_the_same_run(measured: dict[str, Any]) -> None:
    for run in measured["runs"]:
        compared = run["compared"]
        bare = compared["bare"]
        assert bare["invoke_ms"]["p50"] < bare["both_ms"]["p50"]
        assert compared["rate_ratio"] == pytest.approx(run["fps"] / bare["both_per_s"], abs=1e-3)
        assert compared["cpu_ratio"] == pytest.approx(run["cpu_ms"] / compared["cpu_ms"], rel=0.01)


def test_a_person_gets_tables(model: Path) -> None:
    found = bench(model, "--size", "160x120")
    assert found.exit_code == 0
    for name in (
        "prepare",
        "age when logged",
        "frames/s",
        "bare invoke",
        "the watch's CPU, of that",
    ):
        assert name in found.stdout


def test_at_full_speed_no_frame_is_made_to_be_overtaken(model: Path) -> None:
    (run,) = json.loads(bench(model, "--json").stdout)["runs"]
    assert run["camera"] == "640x480 RGB"
    assert run["frames"] > 20
    assert run["overtaken"] == 0


def test_ctrl_c_ends_it_with_what_was_measured_so_far(model: Path, tmp_path: Path) -> None:
    flags = ["--camera", "synthetic:64x48@100", "--seconds", "600", "--json"]
    command = [sys.executable, "-m", "vedette_edge", "bench", str(model), *flags]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    ) as process:
        until_s = time.monotonic() + 60
        while not any(log.stat().st_size for log in tmp_path.glob("*/watch.jsonl")):
            assert time.monotonic() < until_s
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"so far" in err
    (run,) = json.loads(out)["runs"]
    assert run["interrupted"]
    assert run["frames"] > 0
    assert run["compared"] is None
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("threads", ["", "0", "1,", "two", "1;2", "65"])
def test_threads_that_are_none_are_a_wrong_command_line(model: Path, threads: str) -> None:
    found = bench(model, "--threads", threads)
    assert found.exit_code == 2
    assert "expected numbers from 1 to 64" in found.stderr


def test_a_camera_that_is_not_there_is_an_error(model: Path) -> None:
    found = bench(model, "--camera", "nowhere.mp4")
    assert found.exit_code == 1
    assert "nowhere.mp4" in found.stderr


def times(number: int, *, taken_s: float) -> Times:
    about = About(number, 0.0, taken_s, 1.0, 2.0, 0, b"")
    return Times(about, taken_s + 0.003, 4.0, 0.5, taken_s + 0.008)


def test_stages_lie_between_the_moments_that_a_frame_passed() -> None:
    gauge = Gauge(60, os.getpid, lambda passed_s, frames: None)
    for number in range(WARM_UP + 3):
        gauge(times(number, taken_s=100.0 + number))
    columns = gauge.columns()
    assert columns["number"].tolist() == [WARM_UP, WARM_UP + 1, WARM_UP + 2]
    expected = {"capture": 1.0, "prepare": 2.0, "handover": 1.0, "invoke": 4.0, "decide": 0.5}
    for stage, ms in (expected | {"log": 0.5, "age": 8.0}).items():
        assert columns[stage] == pytest.approx(np.full(3, ms), abs=1e-6)


def test_the_load_of_a_process_is_its_own() -> None:
    before = Load.of(os.getpid())
    until_s = time.process_time() + 0.2
    while time.process_time() < until_s:
        pass
    after = Load.of(os.getpid())
    assert after.cpu_s - before.cpu_s == pytest.approx(0.2, abs=0.05)
    assert before.rss_mb
    assert before.rss_mb > 10


def test_percentiles_are_numpy_s() -> None:
    assert Spread.of(list(range(101))) == Spread(50.0, 95.0, 99.0)


def test_resize_and_invoke_cost_more_than_invoke_and_less_than_a_slow_rate_leaves(
    model: Path,
) -> None:
    classifier, frames_rgb = Classifier(model, threads=1), [picture(0)]
    bare = measure_bare(classifier, frames_rgb, 0.3)
    assert bare.both_per_s < bare.invokes_per_s
    begin_s = time.monotonic()
    assert 0 < cpu_alone_ms(classifier, frames_rgb, 50.0, 0.5) < 1000 / 50
    assert time.monotonic() - begin_s >= 0.4  # it keeps the rate
