"""Pictures of none of the classes."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
from click.testing import Result
from tests.run_files import load_metrics

from vedette_edge import preprocess
from vedette_edge.images import decoding
from vedette_edge.model.contract import UNKNOWN, parse_contract

Train = Callable[..., Result]
Draw = Callable[[Path, int], Path]
TINY = ("--size", "64", "--architecture", "efficientnet_lite0_tiny")  # solves for fewer features


def draw_unknown(folder: Path, count: int, seed: int = 0) -> Path:
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    for number in range(count):
        cv2.imwrite(str(folder / f"{number}.png"), random.integers(0, 256, (50, 50, 3), np.uint8))
    return folder


def test_pictures_of_no_class_fit_and_measure_and_no_picture_does_both(
    finished: tuple[Path, Path], shapes: Path, train: Train, tmp_path: Path
) -> None:
    _, store = finished
    one, two = (
        draw_unknown(tmp_path / name, count, count) for name, count in (("one", 20), ("two", 15))
    )
    flags = ("--store", store, *TINY, "--unknown", one, "--unknown", two)
    result = train("fit", shapes, "--out", tmp_path / "run", *flags)
    assert result.exit_code == 0, result.stderr
    unknown = load_metrics(tmp_path / "run")["unknown"]
    assert 0 < unknown["pictures"] < 35
    kinds = unknown["by_folder"]
    assert {folder: kind["pictures"] for folder, kind in kinds.items()} == {
        str(one): 10,
        str(two): 8,
    }
    assert f"{one}: {kinds[str(one)]['false_accepts']:.1%} of 10" in result.stdout
    answered = sum(kind["pictures"] * kind["false_accepts"] for kind in kinds.values())
    assert answered == pytest.approx(unknown["pictures"] * unknown["false_accepts"])
    settings = json.loads((tmp_path / "run" / "settings.json").read_bytes())
    assert settings["unknown"] == [str(one), str(two)]

    contract = parse_contract((tmp_path / "run" / "contract.json").read_bytes())
    model = keras.models.load_model(tmp_path / "run" / "Trained_Weight.h5", compile=False)
    prepared = [
        preprocess(decoding.read_image(file), contract) for file in (*one.iterdir(), *two.iterdir())
    ]
    scores = model.predict_on_batch(np.stack(prepared))
    labels = [contract.labels[answer] for answer in scores.argmax(axis=1)]
    accepted = sum(
        label != UNKNOWN and best >= contract.confidence.threshold(label)
        for label, best in zip(labels, scores.max(axis=1), strict=True)
    )
    fitted = 35 - unknown["pictures"]
    assert accepted - fitted <= unknown["false_accepts"] * unknown["pictures"] <= accepted


def test_pictures_of_the_classes_are_not_of_none(
    finished: tuple[Path, Path], shapes: Path, train: Train, tmp_path: Path
) -> None:
    flags = ("--store", finished[1], "--size", "64", "--unknown", shapes)
    result = train("fit", shapes, "--out", tmp_path / "run", *flags)
    assert result.exit_code == 1
    assert str(shapes) in result.stderr


def test_one_picture_of_no_class_measures(
    finished: tuple[Path, Path], shapes: Path, train: Train, tmp_path: Path
) -> None:
    one = draw_unknown(tmp_path / "one", 1)
    flags = ("--store", finished[1], "--size", "64", "--unknown", one)
    result = train("fit", shapes, "--out", tmp_path / "run", *flags)
    assert result.exit_code == 0, result.stderr
    assert load_metrics(tmp_path / "run")["unknown"]["pictures"] == 1
    assert "of other kinds" in result.stdout
