"""One run, from photographs to a run folder."""

import csv
import hashlib
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
from click.testing import Result
from tests.run_files import load_metrics, load_weights, stop_fit

import vedette_train
from vedette_edge import preprocess
from vedette_edge.errors import SettingError
from vedette_edge.images import decoding
from vedette_edge.model.contract import parse_contract
from vedette_train import TrainConfig
from vedette_train.errors import RunError
from vedette_train.run import history

Train = Callable[..., Result]
CNN = ("--architecture", "cnn")
STRANGE = "a$_$b [red]"  # name of a class
QUICK = (*CNN, "--size", "32", "--epochs", "2", "--batch-size", "16")


def test_a_run_folder_holds_everything(run_folder: Path) -> None:
    assert {path.name for path in run_folder.iterdir()} == {
        "Trained_Weight.h5", "contract.json", "history.csv", "metrics.json", "samples.png",
        "curves.png", "confusion.png", "split.csv", "settings.json", "train.log",
        "report.html", "audit.json",
    }  # fmt: skip
    for name in ("samples.png", "curves.png", "confusion.png"):
        assert min(decoding.read_image(run_folder / name).shape[:2]) > 100


def test_the_weights_are_a_whole_keras_model_that_takes_raw_bytes(
    run_folder: Path, shapes: Path
) -> None:
    model = keras.models.load_model(run_folder / "Trained_Weight.h5", compile=False)
    contract = parse_contract((run_folder / "contract.json").read_bytes())
    assert [type(layer).__name__ for layer in model.layers] == [
        "Rescaling", "Conv2D", "MaxPooling2D", "Conv2D", "MaxPooling2D", "Flatten",
        "Dense", "Dense",
    ]  # fmt: skip
    prepared = preprocess(decoding.read_image(shapes / "disc" / "000.png"), contract)
    scores = model.predict(prepared[np.newaxis], verbose=0)[0]
    assert contract.labels[int(np.argmax(scores))] == "disc"


def test_metrics_tell_the_accuracy_of_the_test_part(run_folder: Path) -> None:
    metrics = load_metrics(run_folder)
    assert metrics["test_pictures"] == 24
    assert metrics["test_accuracy"] >= 0.9
    assert metrics["baseline_accuracy"] == 8 / 24
    assert set(metrics["per_class"]) == {"bar", "disc", "square"}
    assert sum(one["pictures"] for one in metrics["per_class"].values()) == 24
    assert metrics["left_out"] == {}
    contract = parse_contract((run_folder / "contract.json").read_bytes())
    assert contract.provenance.accuracies == {"float_test": metrics["test_accuracy"]}


def test_the_best_epoch_is_kept(run_folder: Path) -> None:
    with (run_folder / "history.csv").open(encoding="utf-8", newline="") as file:
        history = [float(row["val_accuracy"]) for row in csv.DictReader(file)]
    metrics = load_metrics(run_folder)
    assert len(history) == metrics["epochs"] == 4
    assert len(history) - history[::-1].index(max(history)) == metrics["best_epoch"]
    assert metrics["validation_accuracy"] == max(history)


def test_the_manifest_is_the_one_that_the_contract_names(run_folder: Path, shapes: Path) -> None:
    manifest = (run_folder / "split.csv").read_bytes()
    provenance = parse_contract((run_folder / "contract.json").read_bytes()).provenance
    assert hashlib.sha256(manifest).hexdigest() == provenance.manifest_sha256
    rows = list(csv.DictReader(manifest.decode().splitlines()))
    assert len(rows) == 120
    for row in rows[::20]:
        assert hashlib.sha256((shapes / row["file"]).read_bytes()).hexdigest() == row["sha256"]
        assert row["file"].startswith(row["label"])


@pytest.mark.slow
def test_the_same_seed_gives_the_same_run(shapes: Path, train: Train, tmp_path: Path) -> None:
    one, two = runs = (tmp_path / "one", tmp_path / "two")
    for run in runs:
        train("fit", shapes, "--out", run, *QUICK, "--seed", "5", "--augment", "--no-flip")
    for file in ("split.csv", "history.csv"):
        assert (one / file).read_bytes() == (two / file).read_bytes()
    for ours, theirs in zip(load_weights(one), load_weights(two), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.fixture(scope="module")
def odd_run(
    draw_shapes: Callable[[Path, int], Path],
    train: Train,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, Result]:
    """A run on files of every kind, some of them no pictures, and what the command printed."""
    folder = tmp_path_factory.mktemp("odd")
    data = draw_shapes(folder / "data", 10)
    (data / "bar").rename(data / STRANGE)
    (data / STRANGE / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut")
    (data / "disc" / "notes.txt").write_text("not a picture", encoding="utf-8")
    write_every_kind(data / "disc")
    result = train("fit", data, "--out", folder / "run", *QUICK)
    assert result.exit_code == 0, result.stderr
    return folder / "run", result


def write_every_kind(folder: Path) -> None:
    """Write the first picture again, as eight other files."""
    colour = cv2.imread(str(folder / "000.png"))
    assert colour is not None
    grey = cv2.cvtColor(colour, cv2.COLOR_BGR2GRAY)
    for name, picture in {
        "a.JPG": colour,
        "b.bmp": colour,
        "c.WebP": colour,
        "d.tiff": colour,
        "e.gif": colour,
        "grey.png": grey,
        "deep.png": grey.astype(np.uint16) * 257,
        "clear.png": np.dstack([colour, grey]),
    }.items():
        assert cv2.imwrite(str(folder / name), picture)


def test_a_bad_file_is_named_and_left_out(odd_run: tuple[Path, Result]) -> None:
    run, result = odd_run
    assert f"{STRANGE}/cut.jpg" in result.stderr
    assert set(load_metrics(run)["left_out"]) == {f"{STRANGE}/cut.jpg", "disc/notes.txt"}
    assert "cut.jpg" not in (run / "split.csv").read_text(encoding="utf-8")


def test_pictures_of_every_kind_are_trained_on(odd_run: tuple[Path, Result]) -> None:
    assert len((odd_run[0] / "split.csv").read_text(encoding="utf-8").splitlines()) == 39


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [(("--resume",), "--start {run}"), ((), "--overwrite (make: FLAGS=--overwrite), or")],
)
def test_a_finished_run_is_not_lost_by_mistake(
    run_folder: Path, shapes: Path, train: Train, arguments: tuple[str, ...], advice: str
) -> None:
    before = (run_folder / "Trained_Weight.h5").read_bytes()
    result = train("fit", shapes, "--out", run_folder, *CNN, *arguments)
    assert result.exit_code == 1
    assert f"{run_folder}:" in result.stderr
    assert advice.format(run=run_folder) in result.stderr
    assert (run_folder / "Trained_Weight.h5").read_bytes() == before


def test_the_function_refuses_what_the_command_refuses(run_folder: Path, shapes: Path) -> None:
    with pytest.raises(RunError, match="already holds a run"):
        vedette_train.train(str(shapes), TrainConfig(architecture="cnn"), out=str(run_folder))
    with pytest.raises(SettingError, match="choose a path outside"):
        vedette_train.train(shapes, out=shapes / "run")
    assert not (shapes / "run").exists()


def test_overwrite_loses_nothing_when_the_photographs_are_bad(
    run_folder: Path, train: Train, tmp_path: Path
) -> None:
    shutil.copytree(run_folder, tmp_path / "run")
    (tmp_path / "empty").mkdir()
    result = train("fit", tmp_path / "empty", "--out", tmp_path / "run", *CNN, "--overwrite")
    assert result.exit_code == 1
    for path in run_folder.iterdir():
        if path.suffix != ".log":
            assert (tmp_path / "run" / path.name).read_bytes() == path.read_bytes()


@pytest.mark.slow
def test_a_full_disk_is_an_error_and_never_a_half_file(
    shapes: Path, train: Train, tmp_path: Path, small_disk: Path
) -> None:
    result = train(
        "fit", shapes, "--out", small_disk / "run", "--store", tmp_path, *CNN, "--size", "64"
    )
    assert result.exit_code == 1
    assert "checkpoint.npz" in result.stderr
    for name in ("checkpoint.npz", "Trained_Weight.h5", "metrics.json"):
        assert not (small_disk / "run" / name).exists()


def test_a_run_or_store_within_the_photographs_is_refused(
    shapes: Path, train: Train, tmp_path: Path
) -> None:
    outside = ("--out", tmp_path / "run")
    for path in (shapes, shapes / "run"):
        for flags in (("--out", path), (*outside, "--store", path)):
            result = train("fit", shapes, *flags)
            assert result.exit_code == 2
            assert f"{path} would lie among the photographs in {shapes}" in result.stderr
    assert not (shapes / "run").exists()
    assert not (tmp_path / "run").exists()


def test_a_folder_that_has_been_removed_is_an_error_for_people(
    shapes: Path, train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    for command in ("fit", "audit"):
        result = train(command, shapes, "--out", "run")
        assert result.exit_code == 2
        assert "run: the current folder has been removed" in result.stderr


@pytest.mark.parametrize(
    "flags", [("--seed", "20261122143000"), ("--test", "0"), ("--validation", "nan")]
)
def test_a_flag_out_of_range_is_an_error(
    shapes: Path, train: Train, tmp_path: Path, flags: tuple[str, ...]
) -> None:
    result = train("fit", shapes, "--out", tmp_path / "run", *CNN, *flags)
    assert result.exit_code == 2
    assert flags[0] in result.stderr


def test_class_names_with_dollars_and_brackets_are_only_names(
    odd_run: tuple[Path, Result],
) -> None:
    assert STRANGE in load_metrics(odd_run[0])["per_class"]


@pytest.mark.slow
def test_overwrite_replaces_a_run(
    run_folder: Path, shapes: Path, train: Train, tmp_path: Path
) -> None:
    shutil.copytree(run_folder, tmp_path / "run")
    for name in ("model.tflite", "model.report.html"):
        (tmp_path / "run" / name).touch()
    run = tmp_path / "run"
    result = train("fit", shapes, "--out", run, *QUICK, "--overwrite", "--json")
    assert result.exit_code == 0
    assert load_metrics(run)["epochs"] == 2
    assert json.loads(result.stdout) == load_metrics(run)
    assert result.stderr.splitlines()[-2:] == [
        "removed what was converted from the run before: model.tflite, model.report.html",
        f"next: vedette-convert {run} (make convert RUN={run})",
    ]


@pytest.mark.parametrize(
    ("out", "named"),
    [("/proc/none/run", "/proc/none"), ("{file}/run", "{file}"), ("{file}.loop", "{file}.loop")],
)
def test_a_folder_that_cannot_be_written_is_named(
    shapes: Path, train: Train, tmp_path: Path, out: str, named: str
) -> None:
    (tmp_path / "file").touch()
    file = tmp_path / "file"
    (tmp_path / "file.loop").symlink_to("file.loop")
    result = train("fit", shapes, "--out", out.format(file=file))
    assert result.exit_code == 1
    assert named.format(file=file) in result.stderr


def test_too_few_pictures_are_an_error_before_tensorflow_starts(
    draw_shapes: Callable[[Path, int], Path], train: Train, tmp_path: Path
) -> None:
    result = train("fit", draw_shapes(tmp_path / "data", 3), "--out", tmp_path / "run", *CNN)
    assert result.exit_code == 1
    assert "bar" in result.stderr
    assert "starting" not in result.stderr


@pytest.mark.slow
def test_ctrl_c_keeps_what_there_is_and_the_run_can_be_resumed(
    shapes: Path, train: Train, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    command = ["fit", str(shapes), "--out", str(run), *CNN, "--size", "96", "--batch-size", "16"]
    interrupted = [*command, "--epochs", "500"]
    code, printed = stop_fit(interrupted, "epoch   2 of 500", signal.SIGINT)
    assert code == 130
    assert "--resume" in printed
    assert "Traceback" not in printed
    done = len((run / "history.csv").read_text(encoding="utf-8").splitlines()) - 1
    keras.models.load_model(run / "Trained_Weight.h5", compile=False)
    (run / "model.tflite").touch()  # converted from the best epoch so far

    result = train(*command, "--epochs", str(done + 1), "--seed", "1", "--resume")
    assert result.exit_code == 1
    assert "seed" in result.stderr
    assert (run / "model.tflite").exists()
    result = train(*command, "--epochs", str(done + 1), "--resume")
    assert result.exit_code == 0
    assert f"epoch {done + 1:>3} of {done + 1}" in result.stderr
    assert f"epoch {done:>3} of" not in result.stderr
    assert load_metrics(run)["epochs"] == done + 1
    assert not (run / "checkpoint.npz").exists()
    assert not (run / "model.tflite").exists()

    train(*command, "--out", tmp_path / "whole", "--epochs", str(done + 1))
    resumed, whole = (
        history.read_history(folder / "history.csv") for folder in (run, tmp_path / "whole")
    )
    for one, other in zip(resumed, whole, strict=True):
        assert astuple(one) == pytest.approx(astuple(other), rel=1e-3)


@pytest.mark.slow
def test_only_our_lines_reach_the_terminal(shapes: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "vedette_train", "fit", shapes, "--out", tmp_path / "run", *QUICK],
        capture_output=True,
        text=True,
        timeout=200,
        check=True,
    )
    assert len(done.stdout.splitlines()) == 6
    assert "test pictures right" in done.stdout
    assert "always giving the commonest answer would reach 33.3%" in done.stdout
    lines = [line for line in done.stderr.splitlines() if not line.endswith(" done")]
    begins = [line.split()[0] for line in lines]
    assert begins == [f"{shapes}:", "starting", "epoch", "epoch", "testing", "writing"]
    assert (tmp_path / "run" / "train.log").stat().st_size > 0


@pytest.mark.slow
def test_cards_are_drawn_and_can_be_trained_on(train: Train, tmp_path: Path) -> None:
    result = train("cards", tmp_path, "--train-per-class", "5", "--test-per-class", "1")
    assert result.exit_code == 0
    assert "50 cards" in result.stdout
    assert (tmp_path / "cards.pdf").read_bytes().startswith(b"%PDF")
    result = train("fit", tmp_path / "cards", "--out", tmp_path / "run", *QUICK)
    assert result.exit_code == 0, result.stderr
    assert "50 classes" in result.stderr
