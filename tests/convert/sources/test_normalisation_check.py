"""Photographs of known content tell when another normalisation was meant."""

from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner

from vedette_convert.cli import main
from vedette_convert.sources.normalisation_check import Hits, check_normalisation


def of(right: dict[str, int], count: int = 60, classes: int = 3) -> str:
    """The doubt about the first, where each is right on so many photographs."""

    def hits(name: str) -> Hits:
        return np.arange(count) < right[name]

    named, *rivals = right
    return check_normalisation(named, rivals, hits, classes)


def test_rivals_that_are_better_beyond_chance_are_named_the_best_first() -> None:
    assert of({"resnet50": 25, "signed": 48, "unit": 55, "none": 20}) == (
        "the model is right on 25 of 60 photographs; with --normalise it would be on 55 (unit: "
        "x / 255), 48 (signed: x / 127.5 - 1). Name what its pictures were given as at training"
    )
    assert of({"resnet50": 48, "unit": 54}) == ""


def test_no_rival_is_tried_where_there_is_no_room() -> None:
    def hits(name: str) -> Hits:
        assert name == "unit"
        return np.arange(60) >= 6

    assert check_normalisation("unit", ["none"], hits, 3) == ""


def test_what_is_no_better_than_chance_is_told() -> None:
    assert "right on 22 of 60 photographs, no more than by chance, with any" in of(
        {"unit": 22, "none": 20}
    )
    assert "no more than by chance. Are the labels in the order" in of({"unit": 22})
    assert of({"unit": 35}) == ""
    assert "no more than by chance" in of({"unit": 3}, classes=50)
    assert of({"unit": 6}, classes=50) == ""


def test_photographs_of_a_single_class_can_be_all_right() -> None:
    assert of({"unit": 60}, classes=1) == ""
    assert "no more than by chance" in of({"unit": 0}, classes=1)
    assert of({"unit": 0}, count=0) == ""


@pytest.mark.parametrize(("named", "doubted"), [("resnet50", "(unit: x / 255)"), ("unit", "")])
def test_conversion_says_which_normalisation_it_was(
    named: str, doubted: str, run_folder: Path, shapes: Path, tmp_path: Path
) -> None:
    trained = keras.models.load_model(run_folder / "Trained_Weight.h5", compile=False)
    bare = keras.Sequential([keras.Input((48, 48, 3)), *trained.layers[1:]])
    bare.save(tmp_path / "bare.keras")
    (tmp_path / "labels.txt").write_text("bar\ndisc\nsquare\n", encoding="utf-8")
    told = ("--labels", tmp_path / "labels.txt", "--calibrate", shapes, "--normalise", named)
    command = (tmp_path / "bare.keras", *told, "--quantization", "float32")
    result = CliRunner().invoke(main, [str(one) for one in command])
    assert result.exit_code == 0, result.stderr
    assert doubted in result.stderr
    assert ("the model is right on" in result.stderr) == bool(doubted)
