"""`vedette on`: real commands that run for the records of a real log."""

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tests.edge.cli.vedette_on import On, create_change, run_on
from tests.edge.logging_now import LIMITS
from tests.edge.vedette_command import call_vedette

from vedette_edge.log.records import create_record
from vedette_edge.sinks.log_file import LogFile

HOSTILE = "$(touch hacked) `touch hacked`; 'fox'\n\"\x1b[2J%n -rf / \0ü"


def test_the_command_gets_the_change_in_its_environment_and_no_shell_interprets_it(
    on: On, watch: LogFile
) -> None:
    on.start("--", on.write_script('#!/bin/sh\nenv -0 >variables; echo "$VEDETTE_LABEL"\n'))
    watch.write(create_change(HOSTILE, previous="\ud800", region="door", frame_score=0.91))
    lines = on.wait_for_lines(1)
    variables = on.read_variables()
    assert variables[b"VEDETTE_EVENT"] == b"change"
    assert variables[b"VEDETTE_LABEL"] == HOSTILE.replace("\0", "").encode()
    assert variables[b"VEDETTE_PREVIOUS"] == b"?"
    assert variables[b"VEDETTE_REGION"] == b"door"
    assert variables[b"VEDETTE_SCORE"] == b"0.91"
    assert variables[b"VEDETTE_SNAPSHOT"] == b""
    record = json.loads(variables[b"VEDETTE_RECORD"])
    assert (record["label"], record["score"]) == (HOSTILE, 0.53)
    assert variables[b"VEDETTE_TIME"].decode() == record["time"]
    assert variables[b"PATH"] == os.environb[b"PATH"]
    assert not (on.folder / "hacked").exists()
    assert "\x1b" not in lines[0]
    assert "$(touch hacked)" in on.read_errors()  # what the command prints


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], ["fox", "hen", "fox", "hen", "end"]),
        (["--label", "fox", "--label", "end"], ["fox", "fox", "end"]),
        (["--region", "door"], ["hen", "end"]),
        (["--previous", "hen", "--previous", "none"], ["fox", "end"]),
        (["--score", "0.8"], ["hen", "fox", "end"]),
        (["--event", "camera_lost", "--event", "change"], ["fox", "hen", "", "fox", "hen", "end"]),
    ],
)
def test_only_records_that_meet_the_condition_run_it(
    on: On, watch: LogFile, options: list[str], expected: list[str]
) -> None:
    on.start(*options, "--", on.write_script())
    watch.write(create_change("fox", previous="none", frame_score=0.79))
    watch.write(create_change("hen", previous="fox", frame_score=0.8, region="door"))
    watch.write(create_record("camera_lost") | {"camera": "picamera2", "reason": "no frame"})
    watch.write(create_change("fox", previous="x", score=0.81))  # of an earlier version
    watch.write(create_change("hen", score=None))
    watch.write(create_record("heartbeat") | {"label": "fox", "region": "door", "score": 1})
    watch.write(create_change("end", previous="none", region="door", frame_score=1.0))
    on.wait_for_lines(len(expected))
    assert on.end() == 0
    assert on.read_labels() == expected


@pytest.mark.parametrize("option", ["--label", "--previous", "--region", "--score"])
def test_a_condition_that_no_record_meets_is_an_error(on: On, option: str) -> None:
    result = call_vedette("on", "--event", "camera_lost", option, "1", "--", "true")
    assert (result.exit_code, "without --event" in result.stderr) == (2, True)


def test_a_change_that_is_read_too_late_is_skipped_and_reported(on: On, watch: LogFile) -> None:
    on.start("--", on.write_script())
    watch.write(create_change("old", 61))
    watch.write(create_change("older", 7200))
    watch.write(create_change("recent", 30))
    on.wait_for("older than 60 s")
    on.wait_for_lines(1)
    on.end()
    assert on.read_labels() == ["recent"]
    assert "2 records skipped" in on.read_errors()


def test_the_cooldown_counts_from_one_change_to_the_next(on: On, watch: LogFile) -> None:
    on.start("--cooldown", "20", "--", on.write_script())
    for label, age_s in {"a": 50, "b": 40, "c": 29, "d": 11, "e": 8}.items():
        watch.write(create_change(label, age_s))
    watch.write(create_change("future", -3600))  # the clock was set back
    on.wait_for_lines(3)
    assert on.end() == 0
    assert on.read_labels() == ["a", "c", "e"]


def test_it_goes_on_through_full_files_damaged_lines_and_a_new_watch(
    on: On, watch: LogFile
) -> None:
    on.start("--label", "fox", "--", on.write_script())
    watch.close()
    with LogFile(on.log, replace(LIMITS, file_bytes=400)) as watch:
        for number in range(20):
            watch.write(create_change("fox" if number % 2 else "hen", number=number))
    assert len(list(on.log.parent.glob("watch.*.jsonl"))) > 5
    with on.log.open("ab") as file:
        file.write(b'\0\0\0{"time":"2026-\n\xff\n{}\n[1]\n"fox"\n')
    with LogFile(on.log, LIMITS) as watch:
        watch.write(create_change("fox"))
        on.wait_for_lines(11)
    assert on.end() == 0
    assert on.read_labels() == ["fox"] * 11


@pytest.mark.parametrize("place", ["logs", "logs/watch.jsonl"])
def test_a_log_that_does_not_exist_yet_is_waited_for(on: On, place: str) -> None:
    log, on.log = on.log, on.folder / place
    on.start("--", on.write_script(), ready="waiting for one")
    with LogFile(log, LIMITS) as watch:
        watch.write(create_change("first"))
        on.wait_for_lines(1)
    assert on.read_labels() == ["first"]


def test_a_file_that_is_no_log_and_a_folder_with_several_are_errors(
    tmp_path: Path, model: Path
) -> None:
    done = run_on("--log", model, "--", "true")
    assert (done.returncode, done.stdout) == (1, "")
    assert "not a log of a watch" in done.stderr
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).touch()
    done = run_on("--log", tmp_path, "--", "true")
    assert (done.returncode, done.stdout) == (1, "")
    assert "several, choose one" in done.stderr


@pytest.mark.parametrize("locked", ["logs", "logs/watch.jsonl"])
def test_a_log_without_permission_is_an_error(on: On, watch: LogFile, locked: str) -> None:
    setpriv = shutil.which("setpriv")
    if os.geteuid() == 0 and not setpriv:
        pytest.skip("root has all permissions, and setpriv is not installed")
    before = [str(setpriv), "--bounding-set=-all"] if os.geteuid() == 0 else []
    (on.folder / locked).chmod(0)
    done = run_on("--log", on.log, "--", "true", before=before)
    (on.folder / locked).chmod(0o700)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "ermission" in done.stderr


def test_a_snapshot_is_waited_for_and_its_path_is_absolute(on: On, watch: LogFile) -> None:
    script = '#!/bin/sh\ntest -z "$VEDETTE_SNAPSHOT" || cat "$VEDETTE_SNAPSHOT" >picture\n'
    on.start(
        "--snapshots", "snapshots", "--json", "--", on.write_script(f"{script}env -0 >variables")
    )
    (on.folder / "snapshots").mkdir()
    watch.write(create_change("fox", snapshot="fox 1.jpg"))
    time.sleep(0.5)
    (on.folder / "snapshots" / "fox 1.jpg").write_bytes(b"a picture")
    on.wait_for_lines(1)
    assert (on.folder / "picture").read_bytes() == b"a picture"
    path = os.fsencode(on.folder / "snapshots" / "fox 1.jpg")
    assert on.read_variables()[b"VEDETTE_SNAPSHOT"] == path
    for number, name in enumerate(("../out", "..", "\ud800\0", 5)):
        watch.write(create_change("fox", snapshot=name))
        on.wait_for_lines(number + 2)
        assert on.read_variables()[b"VEDETTE_SNAPSHOT"] == b""


def test_a_label_or_region_that_no_record_has_yet_is_reported(on: On, watch: LogFile) -> None:
    on.start("--label", "foxx", "--label", "fox", "--region", "door", "--", "true")
    assert on.read_errors().count("no record has") == 1
    assert "label 'foxx' yet; did you mean 'fox'?" in on.read_errors()


def test_it_imports_neither_numpy_nor_opencv() -> None:
    code = "import sys, vedette_edge.cli.on; print(sorted({'numpy', 'cv2'} & {*sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
