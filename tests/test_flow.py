"""The main job, end to end, as a user types it: photographs, run folder, model file, labels."""

import contextlib
import csv
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import vedette_convert

ROOT = Path(__file__).parents[1]
PHOTOS = ROOT.parent / "shared" / "photos" / "objects50"


def command(module: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


def in_this_process(module: str, *arguments: str | Path) -> Result:
    """The same without another start of TensorFlow."""
    main = import_module(f"{module}.__main__").main
    done = CliRunner().invoke(main, list(map(str, arguments)))
    assert done.exit_code == 0, done.stderr
    return done


Command = Callable[..., "Result | subprocess.CompletedProcess[str]"]


def through_it_all(
    photos: Path, work: Path, *settings: str, command: Command = command
) -> list[dict[str, str]]:
    """Train, convert, predict the test part; gives the judgement, a row a picture."""
    run, model = work / "run", work / "model.tflite"
    command("vedette_train", "fit", photos, "--out", run, *settings)
    converted = command("vedette_convert", run, "--out", model, "--json")
    with model.with_suffix(".judgement.csv").open(encoding="utf-8", newline="") as file:
        judged = list(csv.DictReader(file))
    predicted = command(
        "vedette_edge", "predict", model, "--json", *(row["file"] for row in judged)
    )
    answers = [json.loads(line) for line in predicted.stdout.splitlines()]
    assert [(one["picture"], one["best"]) for one in answers] == [
        (row["file"], row["tflite_label"]) for row in judged
    ]
    right = sum(one["best"] == row["truth"] for one, row in zip(answers, judged, strict=True))
    assert json.loads(converted.stdout)["tflite_accuracy"] == right / len(judged)
    found = json.loads(command("vedette_edge", "inspect", model, "--json").stdout)
    assert (found["input"]["scale"], found["input"]["zero_point"]) == (1.0, 0)
    # No delegate takes the product of two activations, which gives the entry for unknown.
    assert found["delegate_partitions"] == (2 if (run / "head.json").exists() else 1)
    return judged


@pytest.mark.parametrize(
    ("settings", "command"),
    [
        pytest.param(
            "--architecture small --size 48 --epochs 10 --batch-size 8",
            in_this_process,
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "--size 64",
            command,
            marks=pytest.mark.skipif(PHOTOS.is_dir(), reason="the photographs of ../shared do it"),
        ),
    ],
)
@pytest.mark.timeout(600)
def test_drawn_shapes_go_all_the_way(
    shapes: Path, tmp_path: Path, settings: str, command: Command
) -> None:
    judged = through_it_all(shapes, tmp_path, *settings.split(), command=command)
    assert sum(row["tflite_label"] == row["truth"] for row in judged) >= 0.9 * len(judged)


def test_the_script_of_the_docs_trains_converts_and_classifies(
    draw_shapes: Callable[[Path, int], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    script = page.partition("```python\n")[2].partition("```")[0]
    small = 'TrainConfig(architecture="cnn", size=48, epochs=8, batch_size=8)'  # to save time
    assert "config = TrainConfig()  #" in script
    script = script.replace("TrainConfig()", small)
    draw_shapes(tmp_path / "photos", 12)
    monkeypatch.chdir(tmp_path)
    for logger in ("vedette_train", "vedette_convert"):
        caplog.set_level(0, logger)  # the script sets another, and the end of the test resets it
    exec(compile(script, "docs/python.md", "exec"), {})
    answers = [line for line in capsys.readouterr().out.splitlines() if line.startswith("photos/")]
    assert len(answers) == 5
    assert all(re.fullmatch(r"photos/bar/\d+.png: bar \(bar \d+%\)", line) for line in answers)
    assert (tmp_path / "runs" / "try" / "report.html").is_file()
    assert "epoch   8 of 8" in caplog.text


@pytest.mark.skipif(not PHOTOS.is_dir(), reason="the photographs of objects50 lie in ../shared")
def test_real_photographs_go_all_the_way(tmp_path: Path) -> None:
    """The default as it is, on 3 of the 50 classes to save time."""
    for folder in sorted(PHOTOS.iterdir())[:3]:
        (tmp_path / "photos" / folder.name).parent.mkdir(exist_ok=True)
        (tmp_path / "photos" / folder.name).symlink_to(folder)
    judged = through_it_all(tmp_path / "photos", tmp_path)
    assert len(judged) == 36
    assert sum(row["tflite_label"] == row["truth"] for row in judged) >= 0.9 * len(judged)


def on_a_terminal(*command: str | Path) -> str:
    """What a command shows where both its streams are a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen([sys.executable, "-m", *map(str, command)], stdout=theirs, stderr=theirs):
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # how Linux says that the other side has ended
            while piece := os.read(ours, 4096):
                shown += piece
    os.close(ours)
    return shown.decode()


@pytest.mark.slow
def test_on_a_terminal_only_our_own_lines_are_shown(shapes: Path, tmp_path: Path) -> None:
    run, settings = tmp_path / "run", "--architecture cnn --size 32 --epochs 2 --batch-size 16"
    shown = on_a_terminal("vedette_train", "fit", shapes, "--out", run, *settings.split())
    assert "epoch   2 of 2" in shown
    shown += on_a_terminal("vedette_convert", run, "--out", tmp_path / "model.tflite")
    assert "of 24 test pictures" in shown
    for chatter in (
        "WARNING",
        "absl",
        "Saved artifact",
        "TensorSpec",
        "Warning",
        "XNNPACK",
        "/src/",
    ):
        assert chatter not in shown


def test_a_watch_over_the_test_pictures_logs_their_labels(
    run_folder: Path, shapes: Path, tmp_path: Path
) -> None:
    vedette_convert.convert(run_folder, out=tmp_path / "model.tflite")
    log = tmp_path / "watch.jsonl"
    camera = shapes / "disc"
    command("vedette_edge", "run", tmp_path / "model.tflite", "--camera", camera, "--log", log)
    labels = [json.loads(line)["best"] for line in log.read_text(encoding="utf-8").splitlines()]
    assert len(labels) == 40
    assert labels.count("disc") >= 36
