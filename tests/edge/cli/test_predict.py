"""The edge's command line, as a user meets it."""

import csv
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from vedette_edge import Contract
from vedette_edge.__main__ import main
from vedette_edge.model.contract import UNKNOWN, Confidence, serialize_contract


def vedette(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_predict_prints_a_table(model: Path, photos: Path) -> None:
    result = vedette("predict", model, photos)
    assert result.exit_code == 0
    rows = [line.split() for line in result.stdout.splitlines()]
    assert rows[0] == ["picture", "label", "score"]
    assert [row[1] for row in rows[1:]] == ["red", "green", "blue"]
    assert result.stderr == ""


def test_predict_prints_json_lines(model: Path, photos: Path) -> None:
    result = vedette("predict", model, photos / "a-red.jpg", "--json", "--top-k", "2")
    found = json.loads(result.stdout)
    assert found["picture"] == str(photos / "a-red.jpg")
    assert found["label"] == found["top"][0]["label"] == "red"
    assert len(found["top"]) == 2


def test_predict_prints_csv(model: Path, photos: Path) -> None:
    (photos / "d, bad.jpg").write_bytes(b"no picture")
    result = vedette("predict", model, photos, "--csv", "--top-k", "9")
    rows = list(csv.DictReader(result.stdout.splitlines()))
    assert [row["label"] for row in rows] == ["red", "green", "blue", ""]
    assert float(rows[0]["score"]) > 0.9 > float(rows[0]["score_3"])
    assert "no picture" in rows[3]["error"]


def test_a_bad_picture_is_reported_the_rest_go_on_and_the_exit_code_says_so(
    model: Path, photos: Path
) -> None:
    (photos / "b-bad.jpg").write_bytes(b"no picture")
    result = vedette("predict", model, photos)
    assert result.exit_code == 4
    assert len(result.stdout.splitlines()) == 4
    assert "b-bad.jpg" in result.stderr


def test_run_prints_a_line_a_frame_and_appends_json_lines(
    model: Path, photos: Path, tmp_path: Path
) -> None:
    log = tmp_path / "watch.jsonl"
    for _ in range(2):
        result = vedette("run", model, "--camera", photos, "--log", log)
        assert result.exit_code == 0
        assert len(result.stdout.splitlines()) == 3
        assert "3 frames, 0 dropped" in result.stderr
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert [line["label"] for line in lines] == ["red", "green", "blue"] * 2


def test_run_live_sees_a_folder_too(model: Path, photos: Path) -> None:
    result = vedette("run", model, "--camera", photos, "--live", "--json")
    assert result.exit_code == 0
    told = [json.loads(line) for line in result.stdout.splitlines()]
    assert (told[0]["event"], told[-1]["event"]) == ("start", "stop")
    labels = [one["label"] for one in told if one["event"] == "change"]
    assert labels
    assert set(labels) <= {"red", "green", "blue"}


def test_inspect_shows_contract_labels_tensors_and_sizes(model: Path) -> None:
    text = vedette("inspect", model).stdout
    for part in ("scale 1, zero point 0", "red, green, blue", "squash", "x / 255", "1 x 24 x 32"):
        assert part in text
    found = json.loads(vedette("inspect", model, "--json").stdout)
    assert found["contract"]["labels"] == ["red", "green", "blue"]
    assert found["bytes"]["file"] == model.stat().st_size


def test_inspect_shows_the_thresholds_that_labels_have_of_their_own(
    repacked: Callable[..., Path], contract: Contract
) -> None:
    confidence = Confidence(1.0, 0.4, {"green": 0.725})
    path = repacked(serialize_contract(replace(contract, confidence=confidence)))
    assert "0.4 (green 0.725)" in vedette("inspect", path).stdout
    found = json.loads(vedette("inspect", path, "--json").stdout)["contract"]["confidence"]
    assert found["unknown_below_by_label"] == {"green": 0.725}


@pytest.mark.parametrize(
    ("picture", "label"), [("a-red.jpg", "red"), ("b-green.png", UNKNOWN), ("c-blue.webp", UNKNOWN)]
)
def test_run_logs_unknown_for_that_output_and_below_a_label_s_own_threshold(
    repacked: Callable[..., Path], contract: Contract, photos: Path, picture: str, label: str
) -> None:
    """The second output is called unknown; no score of the third reaches its threshold."""
    labels, confidence = ("red", UNKNOWN, "blue"), Confidence(1.0, 0.4, {"blue": 1.0})
    text = serialize_contract(replace(contract, labels=labels, confidence=confidence))
    path = repacked(text, "".join(f"{one}\n" for one in labels))
    for other in photos.iterdir():
        if other.name != picture:
            other.unlink()
    result = vedette("run", path, "--camera", photos, "--live", "--json")
    assert result.exit_code == 0
    told = [json.loads(line) for line in result.stdout.splitlines()]
    assert [one["label"] for one in told if one["event"] == "change"] == [label]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("predict", "gone.tflite", "{photos}"), "gone.tflite"),
        (("predict", "{model}", "gone.jpg"), "gone.jpg"),
        (("inspect", "gone.tflite"), "gone.tflite"),
        (("predict", "{model}", ""), "no picture there"),
        (("run", "{model}", "--camera", ""), "not found"),
        (("run", "{model}", "--camera", "gone.mp4"), "gone.mp4"),
        (("run", "{model}", "--camera", "{photos}", "--log", "/dev/full"), "/dev/full"),
        (("run", "{model}", "--camera", "{photos}", "--region", "a=9,9,999,9"), "frame ends at"),
    ],
)
def test_a_mistake_is_one_line_and_code_1(
    model: Path, photos: Path, arguments: tuple[str, ...], said: str
) -> None:
    filled = [one.format(model=model, photos=photos) for one in arguments]
    result = vedette(*filled)
    assert result.exit_code == 1
    assert said in result.stderr
    assert result.stderr.splitlines()[-1].startswith("Error: ")
    assert "Traceback" not in result.stderr


def test_a_flag_that_is_not_understood_is_an_error_with_an_example(model: Path) -> None:
    for flag, said in (("--region", "such as door=10,20,200,300"), ("--crop", "10,20,200,300")):
        result = vedette("run", model, "--camera", "synthetic", flag, "door")
        assert result.exit_code == 2
        assert said in result.stderr


def test_a_log_that_cannot_be_written_is_said_and_stops_nothing(model: Path, photos: Path) -> None:
    result = vedette("run", model, "--camera", photos, "--log", "/proc/no/log")
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 3
    assert "/proc/no" in result.stderr


@pytest.mark.parametrize("command", [(), ("predict",), ("run",), ("inspect",)])
def test_help_has_examples_or_commands(command: tuple[str, ...]) -> None:
    text = vedette(*command, "--help").stdout
    assert "Examples:" in text or "Commands:" in text


def test_nothing_but_our_lines_reaches_a_real_terminal(model: Path, photos: Path) -> None:
    """The runtime and OpenCV write to the file descriptors themselves."""
    (photos / "cut.png").write_bytes((photos / "b-green.png").read_bytes()[:60])
    done = subprocess.run(
        [sys.executable, "-m", "vedette_edge", "predict", model, photos],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 4
    assert len(done.stdout.splitlines()) == 4
    line, count = done.stderr.splitlines()
    assert line.startswith("left out ")
    assert count.startswith("1 of 4 ")


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
        said = process.stderr.read()
    assert process.returncode == 130
    assert "frames, 0 dropped" in said.splitlines()[0]
    assert said.splitlines()[1:] == ["Stopped."]


@pytest.mark.parametrize("redirection", [">&-", "2>&-", ">/dev/full"])
def test_closed_and_full_streams_are_no_traceback(
    model: Path, photos: Path, redirection: str
) -> None:
    done = subprocess.run(
        f"'{sys.executable}' -m vedette_edge predict '{model}' '{photos}' {redirection}",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert done.returncode == (1 if "full" in redirection else 0)


def test_a_picture_whose_name_is_no_text_is_classified(model: Path, photos: Path) -> None:
    (photos / "a-red.jpg").rename(photos / "\udcff.jpg")
    done = subprocess.run(
        [sys.executable, "-m", "vedette_edge", "predict", model, photos],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "udcff.jpg" in done.stdout
