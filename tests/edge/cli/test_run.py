"""`vedette run`: lines on the terminal, the log, and how it ends."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from tests.edge.vedette_command import call_vedette
from tests.edge.video_files import write_video

from vedette_edge import Contract
from vedette_edge.cli.options import UNREADABLE
from vedette_edge.model.contract import UNKNOWN, Confidence, serialize_contract


def test_run_prints_a_line_a_frame_and_appends_json_lines(
    model: Path, photos: Path, tmp_path: Path
) -> None:
    log = tmp_path / "watch.jsonl"
    for _ in range(2):
        result = call_vedette("run", model, "--camera", photos, "--log", log)
        assert result.exit_code == 0
        lines = [re.split("  +", line)[1:] for line in result.stdout.splitlines()]
        assert lines == [
            ["frame", label, "100%", str(photos / name)]
            for label, name in (
                ("red", "a-red.jpg"),
                ("green", "b-green.png"),
                ("blue", "c-blue.webp"),
            )
        ]
        assert "3 frames, 0 " in result.stderr
    records = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert [record["label"] for record in records] == ["red", "green", "blue"] * 2


def test_the_columns_of_a_line_fit_the_labels_and_the_regions(
    repacked: Callable[..., Path], contract: Contract, photos: Path
) -> None:
    for thresholds, widest in (({}, "door: green"), ({"green": 1.0}, "door: unknown (green)")):
        confidence = Confidence(1.0, 0.0, thresholds)
        path = repacked(serialize_contract(replace(contract, confidence=confidence)))
        result = call_vedette("run", path, "--camera", photos, "--region", "door=0,0,80,60")
        assert [line.index("%  ") for line in result.stdout.splitlines()] == [37 + len(widest)] * 3


def test_run_names_a_picture_without_scores_and_ends_with_the_code_of_predict(
    shares: Path, photos: Path
) -> None:
    black = photos / "b-black.png"
    cv2.imwrite(str(black), np.zeros((60, 80, 3), np.uint8))
    predicted = call_vedette("predict", shares, photos)
    result = call_vedette("run", shares, "--camera", photos, "--json")
    assert predicted.exit_code == result.exit_code == UNREADABLE
    assert "4 frames, 0 dropped, 1 unclassified" in result.stderr
    records = [json.loads(line) for line in result.stdout.splitlines()]
    (note,) = (record["text"] for record in records if record["event"] == "note")
    assert note.startswith(f"{black}: 3 of 3 scores are not finite numbers")


def test_a_line_of_a_video_has_the_time_in_it_in_place_of_its_name(
    model: Path, tmp_path: Path
) -> None:
    blank = np.zeros((24, 32, 3), np.uint8)
    video = write_video(tmp_path / "clip.avi", [blank] * 12)
    lines = call_vedette("run", model, "--camera", video).stdout.splitlines()
    assert [line.rpartition("  ")[2] for line in lines] == [
        *(f"0:00.{tenth}0" for tenth in range(10)),
        "0:01.00",
        "0:01.10",
    ]


def test_without_a_camera_the_error_lists_the_sources(model: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("fps = 3\n", encoding="utf-8")
    for result in (call_vedette("run", model), call_vedette("run", model, "--config", config)):
        assert result.exit_code == 2
        assert "Error: Missing option '--camera'. SOURCE is one of:\n  picamera2" in result.stderr
        assert 'in the file of --config, such as: camera = "picamera2"' in result.stderr


def test_one_frame_is_counted_in_the_singular(model: Path, photos: Path) -> None:
    for name in ("b-green.png", "c-blue.webp"):
        (photos / name).unlink()
    assert "1 frame, 0 dropped" in call_vedette("run", model, "--camera", photos).stderr


def test_run_live_sees_a_folder_too(model: Path, photos: Path) -> None:
    result = call_vedette("run", model, "--camera", photos, "--live", "--json")
    assert result.exit_code == 0
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert (records[0]["event"], records[-1]["event"]) == ("start", "stop")
    assert records[-1]["frames"] + records[-1]["dropped"] == 3
    assert records[-1]["skipped"] == 0
    labels = [record["label"] for record in records if record["event"] == "change"]
    assert labels
    assert set(labels) <= {"red", "green", "blue"}


@pytest.mark.parametrize(
    ("picture", "answer"),
    [
        ("a-red.jpg", ("red", "red")),
        ("b-green.png", (UNKNOWN, UNKNOWN)),
        ("c-blue.webp", (UNKNOWN, "blue")),
    ],
)
def test_run_logs_unknown_for_that_output_and_below_the_threshold_of_a_label(
    repacked: Callable[..., Path],
    contract: Contract,
    photos: Path,
    picture: str,
    answer: tuple[str, str],
) -> None:
    """The second output is called unknown; no score of the third reaches its threshold."""
    labels, confidence = ("red", UNKNOWN, "blue"), Confidence(1.0, 0.4, {"blue": 1.0})
    text = serialize_contract(replace(contract, labels=labels, confidence=confidence))
    path = repacked(text, "".join(f"{one}\n" for one in labels))
    for other in photos.iterdir():
        if other.name != picture:
            other.unlink()
    result = call_vedette("run", path, "--camera", photos, "--live", "--every-frame", "--json")
    assert result.exit_code == 0
    records = [json.loads(line) for line in result.stdout.splitlines()]
    for event in ("frame", "change"):
        (record,) = (record for record in records if record["event"] == event)
        assert (record["label"], record["best"]) == answer


def test_a_flag_in_a_wrong_form_is_an_error_with_an_example(model: Path) -> None:
    for flag, example in (("--region", "door=10,20,200,300"), ("--crop", "10,20,200,300")):
        result = call_vedette("run", model, "--camera", "synthetic", flag, "door")
        assert result.exit_code == 2
        assert example in result.stderr


def test_a_log_that_cannot_be_written_is_reported_and_stops_nothing(
    model: Path, photos: Path
) -> None:
    result = call_vedette("run", model, "--camera", photos, "--log", "/proc/no/log")
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 3
    assert "/proc/no" in result.stderr


def test_a_log_in_place_of_the_model_or_an_image_is_refused(
    model: Path, photos: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.tflite"
    copy.write_bytes(model.read_bytes())
    for log in (copy, photos / "a-red.jpg"):
        content = log.read_bytes()
        result = call_vedette("run", copy, "--camera", photos, "--log", log)
        assert (result.exit_code, result.stdout) == (1, "")
        assert f"Error: {log}: not a log of a watch" in result.stderr
        assert log.read_bytes() == content


def test_a_camera_that_is_not_there_is_waited_for_in_plain_words(model: Path) -> None:
    shown, terminal = os.openpty()
    command = [sys.executable, "-m", "vedette_edge", "run", str(model), "--json"]
    with subprocess.Popen(
        [*command, "--heartbeat", "0.2", "--camera", "/dev/video-none"],
        stdout=subprocess.PIPE,
        stderr=terminal,
    ) as process:
        assert process.stdout
        records = map(json.loads, process.stdout)
        while next(records)["event"] != "camera_lost":
            pass
        first, second = (next(records) for _ in range(2))
        assert first["event"] == second["event"] == "heartbeat"
        assert 0 < first["lost_s"] < second["lost_s"]
        process.send_signal(signal.SIGINT)
        process.stdout.read()
    os.close(terminal)
    assert b"Waiting for the camera; Ctrl-C ends the watch.\r\n" in os.read(shown, 4096)
    os.close(shown)


def test_ctrl_c_ends_a_watch_cleanly(model: Path, photos: Path, tmp_path: Path) -> None:
    many = tmp_path / "many"
    many.mkdir()
    for number in range(5000):
        (many / f"{number}.jpg").symlink_to(photos / "a-red.jpg")
    with subprocess.Popen(
        [sys.executable, "-m", "vedette_edge", "run", model, "--camera", many],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stderr
        assert "red" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        lines = process.stderr.read().splitlines()
    assert process.returncode == 130
    assert re.match(r"\d+ frames?, 0 ", lines[0])
    assert lines[1:] == ["Stopped."]
