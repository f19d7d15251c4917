"""`vedette log`: names that no record has, and files that are no log."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.edge.log_morning import AT, append, format_change, format_line, log, run_log, zone

__all__ = ["log", "zone"]  # fixtures


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--event", "chnge"], "no record has the event 'chnge'; did you mean 'change'?"),
        (
            ["--event", "zzz"],
            "no record has the event 'zzz'; expected one of: camera_lost, ca",
        ),
        (["--event", "change", "--event", "zzz"], "no record has the event 'zzz'"),
    ],
)
def test_an_event_that_is_none_is_an_error_with_the_nearest(
    log: Path, arguments: list[str], expected: str
) -> None:
    result = run_log(log, *arguments)
    assert result.exit_code == 1
    assert expected in result.stderr


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--label", "foxx"], "no record has the label 'foxx'; did you mean 'fox'?"),
        (["--label", "zzz"], "no record has the label 'zzz'; expected one of: fox, hen, none"),
        (["--region", "dor", "--label", "fox"], "no record has the region 'dor'; did you mean"),
    ],
)
def test_a_label_or_a_region_that_no_record_has_is_reported(
    log: Path, arguments: list[str], expected: str
) -> None:
    result = run_log(log, *arguments)
    assert (result.exit_code, result.stdout) == (0, "")
    assert expected in result.stderr


def test_names_that_some_record_has_are_not_reported_even_if_none_is_selected(log: Path) -> None:
    append(log, format_line(AT + 999, "eclipse"))  # of a later version
    for arguments in (
        ["--event", "eclipse", "--since", "2h"],
        ["--event", "camera_lost", "--label", "fox", "--region", "nest"],
        ["--event", "frame", "--until", "2020-01-01"],
    ):
        result = run_log(log, *arguments)
        assert (result.exit_code, result.output) == (0, "")


def test_suggested_names_cannot_control_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "watch.jsonl"
    append(path, *(format_change(AT, f"\x1b[2J{number}\n") for number in range(999)))
    for flag in ("--label", "--region"):
        result = run_log(path, flag, "fox")
        assert "\x1b" not in result.stderr
        assert len(result.stderr.splitlines()) == 1
        assert len(result.stderr) < 1000


def test_following_a_log_reports_a_wrong_event_at_once(log: Path) -> None:
    command = [sys.executable, "-m", "vedette_edge", "log", str(log), "-f", "--event", "chnge"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "did you mean 'change'?" in done.stderr


@pytest.mark.parametrize("flags", [[], ["--summary"], ["--json"], ["--label", "fox"]])
def test_a_file_without_any_record_is_not_a_log(
    model: Path, tmp_path: Path, flags: list[str]
) -> None:
    result = run_log(model, *flags)
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"Error: {model}: not a log of a watch: none of its " in result.stderr
    assert len(result.stderr.splitlines()) == 1
    empty = tmp_path / "watch.jsonl"
    empty.touch()
    assert run_log(empty, *flags).exit_code == 0
