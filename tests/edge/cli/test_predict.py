"""`vedette predict`: tables, JSON and CSV, and pictures that cannot be read."""

import csv
import json
import os
import pty
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
from tests.edge.mosquitto import wait_until
from tests.edge.vedette_command import call_vedette

from vedette_edge import Contract
from vedette_edge.model.contract import Confidence, serialize_contract


def run_predict(
    model: Path, photos: Path, redirection: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    return subprocess.run(
        f"'{sys.executable}' -m vedette_edge predict '{model}' '{photos}' {redirection}",
        shell=True,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_predict_prints_a_table(model: Path, photos: Path) -> None:
    result = call_vedette("predict", model, photos)
    assert result.exit_code == 0
    rows = [line.split() for line in result.stdout.splitlines()]
    assert rows[0] == ["picture", "label", "score"]
    assert [row[1] for row in rows[1:]] == ["red", "green", "blue"]
    assert result.stderr == ""


def test_predict_prints_json_lines(model: Path, photos: Path) -> None:
    result = call_vedette("predict", model, photos / "a-red.jpg", "--json", "--top-k", "2")
    row = json.loads(result.stdout)
    assert list(row) == ["picture", "label", "best", "score", "top"]
    assert row["picture"] == str(photos / "a-red.jpg")
    assert row["label"] == row["best"] == row["top"][0]["label"] == "red"
    assert len(row["top"]) == 2


def test_predict_prints_csv(model: Path, photos: Path) -> None:
    (photos / "d, bad.jpg").write_bytes(b"no picture")
    result = call_vedette("predict", model, photos, "--csv", "--top-k", "9")
    rows = list(csv.DictReader(result.stdout.splitlines()))
    assert [row["label"] for row in rows] == ["red", "green", "blue", ""]
    assert float(rows[0]["score"]) > 0.9 > float(rows[0]["score_3"])
    assert "d, bad.jpg" in rows[3]["error"]


def test_answers_below_their_thresholds_are_unknown_and_the_best_label_stays(
    repacked: Callable[..., Path], contract: Contract, photos: Path
) -> None:
    confidence = Confidence(1.0, 0.0, {"blue": 1.0})
    path = repacked(serialize_contract(replace(contract, confidence=confidence)))
    lines = call_vedette("predict", path, photos, "--top-k", "2").stdout.splitlines()
    assert re.search(r"a-red\.jpg +red +\d+\.\d%", lines[1])
    assert re.search(r"c-blue\.webp +unknown \(blue\) +\d+\.\d%", lines[5])
    rows = list(
        map(json.loads, call_vedette("predict", path, photos, "--json").stdout.split("\n")[:3])
    )
    assert [(row["label"], row["best"]) for row in rows][1:] == [
        ("green", "green"),
        ("unknown", "blue"),
    ]
    assert rows[2]["top"] == [{"label": "blue", "score": rows[2]["score"]}]
    cells = list(csv.DictReader(call_vedette("predict", path, photos, "--csv").stdout.splitlines()))
    assert (cells[2]["label"], cells[2]["best"]) == ("unknown", "blue")
    assert float(cells[2]["score"]) == rows[2]["score"]


def test_a_picture_whose_scores_are_no_numbers_is_left_out(shares: Path, photos: Path) -> None:
    cv2.imwrite(str(photos / "b-black.png"), np.zeros((60, 80, 3), np.uint8))
    result = call_vedette("predict", shares, photos, "--json")
    assert result.exit_code == 4
    assert "NaN" not in result.stdout
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row.get("label", "") for row in rows] == ["red", "", "green", "blue"]
    assert "b-black.png: 3 of 3 scores" in rows[1]["error"]
    assert rows[1]["error"] in result.stderr


def test_answers_are_compared_with_the_names_of_folders(model: Path, photos: Path) -> None:
    for folder, name in (("red", "a-red.jpg"), ("red", "b-green.png"), ("blue", "c-blue.webp")):
        (photos / folder).mkdir(exist_ok=True)
        (photos / name).rename(photos / folder / name)
    (photos / "blue" / "bad.jpg").write_bytes(b"no picture")
    result = call_vedette("predict", model, photos, "--evaluate", "--top-k", "2")
    assert result.exit_code == 4
    lines = [re.sub(" +", " ", line) for line in result.stdout.splitlines()]
    assert lines[-1] == "2 of 3 right (66.7%)"
    assert [line.partition("wrong: ")[2] for line in lines[1:-1]] == ["", "", "", "", "red", ""]
    result = call_vedette("predict", model, photos, "--evaluate", "--json")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["true_label"] for row in rows] == ["blue", "blue", "red", "red"]
    assert "2 of 3 right" in result.stderr
    result = call_vedette("predict", model, photos, "--evaluate", "--csv")
    cells = list(csv.DictReader(result.stdout.splitlines()))
    assert [row["true_label"] for row in cells] == ["blue", "blue", "red", "red"]


def test_a_folder_that_is_no_label_cannot_be_compared(model: Path, photos: Path) -> None:
    result = call_vedette("predict", model, photos, "--evaluate")
    assert result.exit_code == 2
    assert "lies in 'photos', which is no label of this model" in result.stderr
    assert result.stdout == ""


def test_two_forms_together_and_unknown_ones_are_a_wrong_command_line(model: Path) -> None:
    for flags in (("--json", "--csv"), ("--json", "--out", "x.csv"), ("--out", "x.txt")):
        result = call_vedette("predict", model, "x.jpg", *flags)
        assert (result.exit_code, "Error: --" in result.stderr) == (2, True)


def test_a_bad_picture_is_reported_the_rest_go_on_and_the_exit_code_says_so(
    model: Path, photos: Path
) -> None:
    (photos / "b-bad.jpg").write_bytes(b"no picture")
    result = call_vedette("predict", model, photos)
    assert result.exit_code == 4
    assert len(result.stdout.splitlines()) == 4
    assert "b-bad.jpg" in result.stderr


def test_a_table_without_a_row_is_not_printed(model: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    result = call_vedette("predict", model, tmp_path / "bad.jpg")
    assert (result.exit_code, result.stdout) == (4, "")


def test_all_names_without_a_picture_are_in_one_error(model: Path, photos: Path) -> None:
    names = [f"missing-{number}.jpg" for number in range(12)]
    result = call_vedette("predict", model, photos / "a-red.jpg", *names[:2])
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Error: missing-0.jpg and missing-1.jpg: no picture found;" in result.stderr
    assert "missing-9.jpg and 2 more: no" in call_vedette("predict", model, *names).stderr


def test_nothing_but_our_lines_reaches_a_real_terminal(model: Path, photos: Path) -> None:
    """The runtime and OpenCV write to the file descriptors themselves."""
    (photos / "cut.png").write_bytes((photos / "b-green.png").read_bytes()[:60])
    done = run_predict(model, photos)
    assert done.returncode == 4
    assert len(done.stdout.splitlines()) == 4
    line, count = done.stderr.splitlines()
    assert "cut.png" in line
    assert count.startswith("1 of 4 ")


@pytest.mark.parametrize("redirection", [">&-", "2>&-", ">/dev/full"])
def test_closed_and_full_streams_are_no_traceback(
    model: Path, photos: Path, redirection: str
) -> None:
    done = run_predict(model, photos, redirection)
    assert "Traceback" not in done.stderr
    assert done.returncode == (1 if "full" in redirection else 0)


def test_a_picture_whose_name_is_not_text_is_classified(model: Path, photos: Path) -> None:
    (photos / "a-red.jpg").rename(photos / "\udcff.jpg")
    done = run_predict(model, photos)
    assert done.returncode == 0
    assert "udcff.jpg" in done.stdout


def test_the_name_of_a_picture_cannot_control_a_terminal(model: Path, photos: Path) -> None:
    (photos / "a-red.jpg").rename(photos / "a\x1b[2J.jpg")
    (photos / "b-green.png").write_bytes(b"no picture")
    (photos / "b-green.png").rename(photos / "b\x1b[2J.png")
    done = run_predict(model, photos)
    assert r"a\x1b[2J.jpg" in done.stdout
    assert r"b\x1b[2J.png" in done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert "a\x1b[2J.jpg" in run_predict(model, photos, "--csv").stdout  # for programs


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A folder of 1,000 pictures, of which one is damaged."""
    folder = tmp_path / "archive"
    for number in range(1000):
        path = folder / f"{number // 100}" / f"{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.full((60, 80, 3), number % 256, np.uint8))
    (folder / "1" / "150.png").write_bytes(b"no picture")
    return folder


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_a_run_that_is_killed_goes_on_and_classifies_each_picture_once(
    model: Path, archive: Path, suffix: str
) -> None:
    out, whole = archive.with_name(f"out{suffix}"), archive.with_name(f"whole{suffix}")
    command = [sys.executable, "-m", "vedette_edge", "predict", str(model), str(archive)]
    for least in (40, 120):
        with subprocess.Popen([*command, "--out", str(out)], stderr=subprocess.DEVNULL) as process:
            wait_until(lambda: out.exists() and out.read_bytes().count(b"\n") > least, 30)  # noqa: B023
            process.kill()
    killed = out.read_bytes().count(b"\n")
    assert killed < 1000
    result = call_vedette("predict", model, archive, "--out", out, "--summary")
    assert result.exit_code == 4
    match = re.search(r"has (\d+) answers(?: and (\d) error)?; ", result.stderr)
    assert match
    assert sum(int(count or 0) for count in match.groups()) == killed - (suffix == ".csv")
    assert re.search(r"left out +1 +0\.1%", result.stdout)
    assert "1 of 1000 pictures left out" in result.stderr
    call_vedette("predict", model, archive, "--out", whole, "--workers", "1")
    assert out.read_bytes() == whole.read_bytes()
    printed = call_vedette("predict", model, archive, {".csv": "--csv"}.get(suffix, "--json"))
    assert printed.stdout.encode() == whole.read_bytes()


def test_answers_of_another_model_are_not_mixed(
    model: Path, repacked: Callable[..., Path], contract: Contract, archive: Path
) -> None:
    out = archive.with_name("out.csv")
    assert call_vedette("predict", model, archive / "0", "--out", out).exit_code == 0
    before = out.read_bytes()
    confidence = Confidence(1.0, 0.0, {"blue": 1.0})
    other = repacked(serialize_contract(replace(contract, confidence=confidence)))
    for arguments, names in (
        ((other, archive), "model_sha256"),
        ((model, archive, "--top-k", "2"), "top_k"),
    ):
        result = call_vedette("predict", *arguments, "--out", out)
        assert result.exit_code == 1
        assert f"or of other settings ({names}), see out.csv.origin.json" in result.stderr
    assert out.read_bytes() == before


def test_ctrl_c_keeps_the_answers_and_says_how_to_go_on(model: Path, archive: Path) -> None:
    out = archive.with_name("out.jsonl")
    command = [sys.executable, "-m", "vedette_edge", "predict", str(model), str(archive)]
    with subprocess.Popen(
        [*command, "--out", str(out)], stderr=subprocess.PIPE, text=True
    ) as process:
        wait_until(lambda: out.exists() and out.read_bytes().count(b"\n") > 20, 30)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "answers; the same command goes on" in errors
    assert errors.endswith("Stopped.\n")


def test_a_summary_counts_labels(model: Path, photos: Path) -> None:
    result = call_vedette("predict", model, photos, "--json", "--summary")
    assert len(result.stdout.splitlines()) == 3
    rows = [line.split() for line in result.stderr.splitlines()]
    assert rows[0] == ["label", "pictures", "share"]
    assert sorted(rows[1:]) == [[label, "1", "33.3%"] for label in ("blue", "green", "red")]


def test_a_results_file_has_names_as_they_are_also_from_a_terminal(
    model: Path, photos: Path
) -> None:
    (photos / "a-red.jpg").rename(photos / "a\x1b\n.jpg")
    command = [sys.executable, "-m", "vedette_edge", "predict", str(model), str(photos)]
    out = photos.parent / "out.csv"
    for _ in range(2):
        terminal, inner = pty.openpty()
        subprocess.run([*command, "--out", str(out)], stdout=inner, stderr=inner, check=True)
        os.close(inner)
        os.close(terminal)
    with out.open(newline="") as file:
        names = [row["picture"] for row in csv.DictReader(file)]
    assert names == [str(path) for path in sorted(photos.iterdir())]


def test_the_same_names_in_another_folder_are_other_pictures(
    model: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = photos.parent / "out.jsonl"
    monkeypatch.chdir(photos)
    assert call_vedette("predict", model, ".", "--out", out).exit_code == 0
    (photos / "inner").mkdir()
    (photos / "a-red.jpg").rename(photos / "inner" / "a-red.jpg")
    monkeypatch.chdir(photos / "inner")
    result = call_vedette("predict", model, ".", "--out", out)
    assert (result.exit_code, "other settings (folder)" in result.stderr) == (1, True)
