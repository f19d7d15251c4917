"""The default with few photographs, and without a test part."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from tests.run_files import load_metrics, load_split, predict_part

from vedette_edge.model.contract import parse_contract

Train = Callable[..., Result]
Draw = Callable[[Path, int], Path]
TINY = ("--size", "64", "--architecture", "efficientnet_lite0_tiny")  # solves for fewer features


@pytest.mark.parametrize("per_class", [3, 5])
def test_few_pictures_are_judged_out_of_fold(
    draw_shapes: Draw, train: Train, tmp_path: Path, per_class: int
) -> None:
    data, run = draw_shapes(tmp_path / "data", per_class), tmp_path / "run"
    result = train("fit", data, "--out", run, *TINY, "--test", "0")
    assert result.exit_code == 0, result.stderr
    metrics, contract = load_metrics(run), parse_contract((run / "contract.json").read_bytes())
    assert metrics["judged_by"] == "out of fold"
    assert metrics["test_accuracy"] is None
    assert metrics["out_of_fold_pictures"] == 3 * per_class
    assert contract.provenance.accuracies == {"float_out_of_fold": metrics["out_of_fold_accuracy"]}
    assert {row["part"] for row in load_split(run)} == {"train"}
    assert sum(one["pictures"] for one in metrics["per_class"].values()) == 3 * per_class
    scores, _ = predict_part(run, data, "train")
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
