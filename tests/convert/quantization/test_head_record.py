"""head.json: a damaged or missing record, and graphs whose head stays as training left it."""

import json
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from tests.convert.conftest import convert
from tests.convert.quantization.heads import change_head, read_contract, read_run_contract

from vedette_convert.sources.run_folder import load_run
from vedette_edge import Classifier, preprocess

pytestmark = pytest.mark.slow


def cut_head(run: Path) -> None:
    text = (run / "head.json").read_text(encoding="utf-8")
    (run / "head.json").write_text(text[: len(text) // 2], "utf-8")


def drop_a_fold(run: Path) -> None:
    change_head(run, folds=json.loads((run / "head.json").read_bytes())["folds"][:-1])


def leave_one_fold(run: Path) -> None:
    folds = json.loads((run / "head.json").read_bytes())["folds"]
    change_head(run, folds=[0] * len(folds))


def drop_a_block(run: Path) -> None:
    change_head(run, blocks=json.loads((run / "head.json").read_bytes())["blocks"][1:])


def swap_widths(run: Path) -> None:
    blocks = json.loads((run / "head.json").read_bytes())["blocks"]
    blocks[0]["layer"], blocks[-1]["layer"] = blocks[-1]["layer"], blocks[0]["layer"]
    change_head(run, blocks=blocks)


def rename_a_layer(run: Path) -> None:
    blocks = json.loads((run / "head.json").read_bytes())["blocks"]
    blocks[0]["layer"] = "head.99"
    change_head(run, blocks=blocks)


def rename_a_label(run: Path) -> None:
    text = (run / "contract.json").read_text(encoding="utf-8")
    (run / "contract.json").write_text(text.replace('"disc"', '"disk"'), "utf-8")


@pytest.mark.parametrize(
    "damage",
    [
        cut_head,
        drop_a_fold,
        leave_one_fold,
        drop_a_block,
        swap_widths,
        rename_a_layer,
        rename_a_label,
        lambda run: change_head(run, blocks=[]),
        lambda run: change_head(run, folds=[float("inf")]),
        lambda run: change_head(run, format="vedette-head-99"),
        lambda run: change_head(run, shrinkage=float("nan")),
        lambda run: change_head(run, unknown_cost=7),
        lambda run: change_head(run, unknown_cost=0),
        lambda run: (run / "head.json").write_text("[]", "utf-8"),
        lambda run: (run / "head.json").write_text("[" * 10**6, "utf-8"),
    ],
)
def test_a_head_that_does_not_fit_its_run_is_an_error_that_names_it(
    few: Path, damage: Callable[[Path], None]
) -> None:
    damage(few)
    result = convert(few)
    assert result.exit_code == 1
    assert "head.json" in result.stderr
    assert not (few / "model.tflite").exists()


@pytest.mark.parametrize("quantization", ["float32", "float16", "dynamic", "int16x8"])
def test_where_features_stay_as_they_were_the_head_does(quantization: str, few: Path) -> None:
    result = convert(few, "--quantization", quantization)
    assert result.exit_code == 0, result.stderr
    assert_as_trained(few, quantization)


def test_a_run_that_has_lost_its_record_is_an_error(few: Path) -> None:
    (few / "head.json").unlink()
    result = convert(few)
    assert result.exit_code == 1
    assert "head.json" in result.stderr


def assert_as_trained(run: Path, quantization: str) -> None:
    contract = read_contract(run / "model.tflite")
    assert contract.confidence == read_run_contract(run).confidence
    assert contract.provenance.accuracies == read_run_contract(run).provenance.accuracies
    learned, classifier = load_run(run).learned, Classifier(run / "model.tflite")
    model = keras.models.load_model(run / "Trained_Weight.h5", compile=False)
    prepared = [preprocess(one.read(), contract) for one in learned]
    expected = model.predict_on_batch(np.stack(prepared))
    actual = np.stack([classifier.score(one).scores for one in prepared])
    furthest = {"float32": 1e-4, "float16": 0.01}.get(quantization, 0.1)
    assert np.abs(actual - expected).max() <= furthest
