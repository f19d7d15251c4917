"""`vedette bench` measures the real watch, and compares it with resize and invoke alone."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from tests.edge.vedette_command import call_vedette

from vedette_edge.benchmark.recorder import STAGES


def call_bench(model: Path, *flags: str) -> Result:
    return call_vedette("bench", model, "--seconds", "1", "--threads", "1", *flags)


@pytest.fixture(scope="module")
def measured() -> dict[str, Any]:
    """Measured at a camera's rate, with two numbers of threads."""
    model = Path(__file__).parents[1] / "colours.tflite"
    flags = ("--camera", "synthetic:320x240@50", "--threads", "1,2", "--json")
    report: dict[str, Any] = json.loads(call_bench(model, *flags).stdout)
    return report


def test_each_number_of_threads_is_a_run(measured: dict[str, Any]) -> None:
    assert [run["threads"] for run in measured["runs"]] == [1, 2]
    assert measured["camera"] == "synthetic:320x240@50"
    assert {run["camera"] for run in measured["runs"]} == {"320x240 RGB 50/s"}


def test_each_stage_has_its_percentiles(measured: dict[str, Any]) -> None:
    for run in measured["runs"]:
        assert tuple(run["stages_ms"]) == STAGES
        for spread in [*run["stages_ms"].values(), run["age_ms"]]:
            assert 0 <= spread["p50"] <= spread["p95"] <= spread["p99"]


@pytest.mark.single_cpu
def test_the_age_of_a_frame_is_the_sum_of_its_stages(measured: dict[str, Any]) -> None:
    for run in measured["runs"]:
        after_capture = [run["stages_ms"][stage]["p50"] for stage in STAGES[1:]]
        assert sum(after_capture) == pytest.approx(run["age_ms"]["p50"], rel=0.5)


@pytest.mark.single_cpu
def test_all_frames_of_a_slow_camera_are_classified_or_counted_as_dropped(
    measured: dict[str, Any],
) -> None:
    for run in measured["runs"]:
        captured = run["frames"] + run["dropped"]
        assert captured == pytest.approx(50 * run["seconds"], abs=10)
        assert run["fps"] == pytest.approx(run["frames"] / run["seconds"], abs=0.01)


def test_both_processes_are_measured_at_start_and_end(measured: dict[str, Any]) -> None:
    for run in measured["runs"]:
        for snapshot in (run["start"], run["end"]):
            for process in ("watch", "capture"):
                assert 10 < snapshot[process]["pss_mb"] <= snapshot[process]["rss_mb"]
        for process in ("watch", "capture"):
            used_s = run["end"][process]["cpu_s"] - run["start"][process]["cpu_s"]
            assert used_s > 0
            assert run["cpu_share"][process] == pytest.approx(used_s / run["seconds"], abs=1e-3)


def test_the_baseline_belongs_to_the_same_run(measured: dict[str, Any]) -> None:
    for run in measured["runs"]:
        compared = run["compared"]
        bare = compared["bare"]
        assert bare["invoke_ms"]["p50"] < bare["both_ms"]["p50"]
        assert compared["rate_ratio"] == pytest.approx(run["fps"] / bare["both_per_s"], abs=1e-3)
        assert compared["cpu_ratio"] == pytest.approx(run["cpu_ms"] / compared["cpu_ms"], rel=0.01)


def test_without_json_it_prints_tables(model: Path) -> None:
    result = call_bench(model, "--size", "160x120")
    assert result.exit_code == 0
    lines = [line.split("  ")[0] for line in result.stdout.splitlines()]
    assert lines[3:6] == ["frames/s", "age of a label, ms", "memory, MB"]
    for name in ("resize", "picture to label", "model alone, ms", "the watch's CPU time, of that"):
        assert name in lines


@pytest.mark.single_cpu
def test_at_full_speed_no_frame_is_dropped(model: Path) -> None:
    (run,) = json.loads(call_bench(model, "--json").stdout)["runs"]
    assert run["camera"] == "640x480 RGB"
    assert run["frames"] > 20
    assert run["dropped"] == 0


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
def test_wrong_numbers_of_threads_are_a_wrong_command_line(model: Path, threads: str) -> None:
    result = call_bench(model, "--threads", threads)
    assert (result.exit_code, "--threads" in result.stderr) == (2, True)


def test_a_missing_camera_is_an_error(model: Path) -> None:
    result = call_bench(model, "--camera", "nowhere.mp4")
    assert (result.exit_code, "nowhere.mp4" in result.stderr) == (1, True)
