"""A check of the normalisation with photographs of known content."""

from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner

from vedette_convert.cli import main
from vedette_convert.sources.normalisation_check import Hits, check_normalisation


def check_first(right: dict[str, int], count: int = 60, classes: int = 3) -> str:
    """Check the first against the others; each is right on so many photographs."""

    def measure_hits(name: str) -> Hits:
        return np.arange(count) < right[name]

    named, *rivals = right
    return check_normalisation(named, rivals, measure_hits, classes)


def test_rivals_that_are_better_beyond_chance_are_named_the_best_first() -> None:
    assert check_first({"resnet50": 25, "signed": 48, "unit": 55, "none": 20}) == (
        "the model is right on 25 of 60 photographs to calibrate with; with --normalise it "
        "would be right on 55 "
        "(unit: x / 255), 48 (signed: x / 127.5 - 1). Name the normalisation of its training"
    )
    assert check_first({"resnet50": 48, "unit": 54}) == ""


def test_no_rival_is_tried_where_there_is_no_room() -> None:
    def measure_hits(name: str) -> Hits:
        assert name == "unit"
        return np.arange(60) >= 6

    assert check_normalisation("unit", ["none"], measure_hits, 3) == ""


def test_what_is_no_better_than_chance_is_told() -> None:
    rivals = {"none": 20, "signed": 26, "centred": 24}  # none is better beyond chance
    assert check_first({"unit": 22, **rivals}).startswith(
        "the model is right on 22 of 60 photographs to calibrate with, no more than by chance, "
        "and with any other --normalise on 26 at most. Are the labels in the order"
    )
    assert "no more than by chance. Are the labels in the order" in check_first({"unit": 22})
    assert check_first({"unit": 35}) == ""
    assert "no more than by chance" in check_first({"unit": 3}, classes=50)
    assert check_first({"unit": 6}, classes=50) == ""


def test_photographs_of_a_single_class_can_be_all_right() -> None:
    assert check_first({"unit": 60}, classes=1) == ""
    assert "no more than by chance" in check_first({"unit": 0}, classes=1)
    assert check_first({"unit": 0}, count=0) == ""


@pytest.mark.parametrize(("named", "better"), [("resnet50", "(unit: x / 255)"), ("unit", "")])
def test_conversion_says_which_normalisation_it_was(
    named: str, better: str, run_folder: Path, shapes: Path, tmp_path: Path
) -> None:
    trained = keras.models.load_model(run_folder / "Trained_Weight.h5", compile=False)
    bare = keras.Sequential([keras.Input((48, 48, 3)), *trained.layers[1:]])
    bare.save(tmp_path / "bare.keras")
    (tmp_path / "labels.txt").write_text("bar\ndisc\nsquare\n", encoding="utf-8")
    options = ("--labels", tmp_path / "labels.txt", "--calibrate", shapes, "--normalise", named)
    command = (tmp_path / "bare.keras", *options, "--quantization", "float32")
    result = CliRunner().invoke(main, [str(one) for one in command])
    assert result.exit_code == 0, result.stderr
    assert better in result.stderr
    assert ("the model is right" in result.stderr) == bool(better)
