"""The default: a head in closed form on a pretrained backbone, from photographs to a run folder."""

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import Result
from tests.run_files import load_metrics, load_split, predict_part

from vedette_edge.head import record as head_record
from vedette_edge.model.contract import UNKNOWN, parse_contract
from vedette_train.evaluation.calibration import measure_reliability

Train = Callable[..., Result]
Draw = Callable[[Path, int], Path]
DEFAULT = ("--size", "64")
TINY = (*DEFAULT, "--architecture", "efficientnet_lite0_tiny")  # solves for fewer features


def test_a_run_folder_holds_the_head_and_no_history(finished: tuple[Path, Path]) -> None:
    run, _ = finished
    assert {path.name for path in run.iterdir()} == {
        "Trained_Weight.h5", "contract.json", "head.json", "metrics.json", "samples.png",
        "confusion.png", "split.csv", "settings.json", "train.log", "report.html", "audit.json",
    }  # fmt: skip


def test_the_kept_model_is_what_was_measured(finished: tuple[Path, Path], shapes: Path) -> None:
    run, _ = finished
    metrics = load_metrics(run)
    scores, truth = predict_part(run, shapes, "test")
    assert len(truth) == metrics["test_pictures"] == 24
    assert metrics["test_accuracy"] == (scores.argmax(axis=1) == truth).mean() > 0.6
    error = measure_reliability(scores, truth).error
    assert metrics["calibration"]["ece_after"] == pytest.approx(error, abs=1e-3)
    low, high = metrics["test_interval"]
    assert low < metrics["test_accuracy"] <= high


def test_the_contract_says_how_the_scores_are_read(finished: tuple[Path, Path]) -> None:
    run, _ = finished
    metrics, contract = load_metrics(run), parse_contract((run / "contract.json").read_bytes())
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
    record = head_record.parse_head((run / "head.json").read_bytes())
    model = keras.models.load_model(run / "Trained_Weight.h5", compile=False)
    for block in record.blocks:
        kernel, bias = model.get_layer(block.layer).get_weights()
        assert (kernel.shape, bias.shape) == ((block.width, 3), (3,))
    learned = [row for row in load_split(run) if row["part"] != "test"]
    assert len(record.folds) == len(learned) == 96
    counts = Counter((row["label"], fold) for row, fold in zip(learned, record.folds, strict=True))
    assert len(counts) == 3 * 5
    assert set(counts.values()) <= {5, 6, 7, 8}
    assert record.mirrored


def test_accuracy_out_of_fold_is_told_beside_that_of_the_test_part(
    finished: tuple[Path, Path],
) -> None:
    metrics = load_metrics(finished[0])
    assert metrics["judged_by"] == "test"
    assert metrics["out_of_fold_pictures"] == 96
    low, high = metrics["out_of_fold_interval"]
    assert low < metrics["out_of_fold_accuracy"] < high
    assert "epochs" not in metrics


def test_the_learning_curve_ends_at_the_accuracy_out_of_fold(
    finished: tuple[Path, Path],
) -> None:
    metrics = load_metrics(finished[0])
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
    store = Path(shutil.copytree(store, tmp_path / "store"))  # other tests add to the first
    mine = "efficientnet_lite0-*.f32"  # also those of other networks
    before = {path: path.stat().st_mtime_ns for path in store.rglob(mine)}
    assert len(before) == 2  # plain and mirrored
    result = train("fit", shapes, "--out", tmp_path / "run", "--store", store, *DEFAULT)
    assert result.exit_code == 0, result.stderr
    assert {path: path.stat().st_mtime_ns for path in store.rglob(mine)} == before
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
    assert not head_record.parse_head((tmp_path / "run" / "head.json").read_bytes()).mirrored


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
    learned = {row["file"] for row in load_split(run) if row["part"] == "train"}
    swapped = {file for file in learned if "swapped" in file}
    assert len(swapped) >= 4
    findings = json.loads((run / "audit.json").read_bytes())["findings"]
    listed = [one["files"][0] for one in findings if one["kind"] == "label"]
    assert len(swapped & set(listed[: len(swapped)])) >= len(swapped) - 1
    assert set(listed) <= learned


def test_tiny_has_a_head_in_closed_form(draw_shapes: Draw, train: Train, tmp_path: Path) -> None:
    data, run = draw_shapes(tmp_path / "data", 12), tmp_path / "run"
    result = train("fit", data, "--out", run, *TINY)
    assert result.exit_code == 0, result.stderr
    record = head_record.parse_head((run / "head.json").read_bytes())
    assert "head.last" not in {block.layer for block in record.blocks}
    model = keras.models.load_model(run / "Trained_Weight.h5", compile=False)
    assert model.count_params() < 1_300_000
