"""Accuracy by the number of pictures."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vedette_edge import console
from vedette_edge.console import create_log_output
from vedette_edge.head.record import Block
from vedette_train.data.split import assign_folds
from vedette_train.training.discriminant_head import HeadOptions, fit_head
from vedette_train.training.feature_cache import FeatureCache
from vedette_train.training.feature_set import FeatureSet
from vedette_train.training.learning_curve import CurvePoint, measure_learning_curve

CLASSES, WIDTH = 4, 24
Measure = Callable[[int], tuple[list[CurvePoint], float]]


@pytest.fixture
def measure(tmp_path: Path) -> Measure:
    """Gives the curve of some pictures a class, and their accuracy out of fold."""

    def run(per_class: int) -> tuple[list[CurvePoint], float]:
        random = np.random.default_rng(1)
        labels = np.repeat(np.arange(CLASSES), per_class)
        means = random.normal(0, 0.8, (CLASSES, WIDTH))
        rows = means[labels] + random.normal(0, 1.5, (len(labels), WIDTH))
        hashes = [f"{number:064x}" for number in range(len(labels))]
        features = FeatureCache(tmp_path / f"{per_class}.f32", WIDTH)
        features.append(hashes, rows.astype(np.float32))
        folds = assign_folds(labels, np.arange(len(labels)), 0)
        pictures = FeatureSet([features], hashes, labels, folds)
        names = tuple(f"class {number}" for number in range(CLASSES))
        options, output = HeadOptions(names, 0.95, WIDTH), create_log_output("curve")
        fitted = fit_head(pictures, (Block("head.5", WIDTH),), options, output)
        return measure_learning_curve(pictures, fitted, output), fitted.uncalibrated.accuracy

    return run


def test_more_pictures_name_more_of_those_held_out(measure: Measure) -> None:
    curve, _ = measure(80)
    assert [point.pictures for point in curve] == [8, 16, 32, 64]
    accuracies = [point.accuracy for point in curve]
    assert accuracies[0] < accuracies[-1] - 0.05
    for point in curve:
        assert 0 <= point.low < point.accuracy < point.high <= 1


def test_the_last_point_is_the_accuracy_out_of_fold(measure: Measure) -> None:
    curve, accuracy = measure(80)  # all folds together have fewer than are held out at least
    assert curve[-1].accuracy == pytest.approx(accuracy)


@pytest.mark.parametrize("per_class", [3, 5, 10])
def test_few_pictures_have_a_short_curve(measure: Measure, per_class: int) -> None:
    curve, accuracy = measure(per_class)
    assert 1 <= len(curve) <= 4
    assert curve[-1].accuracy == pytest.approx(accuracy)
    assert [one.pictures for one in curve] == sorted(one.pictures for one in curve)


def test_many_pictures_are_measured_on_some_folds_alone(measure: Measure) -> None:
    """Intervals say so: 400 pictures of one fold, not 2,000 of all."""
    curve, _ = measure(500)
    assert curve[-1].pictures == 400
    assert curve[-1].high - curve[-1].low > 0.03


def test_each_point_is_a_step_of_the_progress(
    measure: Measure, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="curve")
    monkeypatch.setattr(console, "LINE_EVERY_S", 0)
    measure(80)  # five folds, of which the last fit takes eight, four and two parts of the rest
    assert caplog.messages[0].startswith("cross-validating heads: 1 of 15 ")
    assert caplog.messages[13].startswith("cross-validating heads: 14 of 15 ")
    assert caplog.messages[14].startswith("measuring learning curve: 1 of 15 ")
    assert caplog.messages[-1].startswith("measuring learning curve: 14 of 15 ")
