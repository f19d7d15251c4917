"""Scores that mean what they say, and how far they are from it."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from vedette_edge.head import calibration
from vedette_train.evaluation.calibration import (
    apply_temperature,
    fit_temperature,
    measure_chance_error,
    measure_reliability,
    tell_from_chance,
)

IMAGES, LABELS = 4000, 5


@pytest.fixture
def honest() -> tuple[np.ndarray, np.ndarray]:
    """Scores, and a truth drawn by just these scores: nothing could be calibrated better."""
    random = np.random.default_rng(3)
    logits = random.normal(0, 2, (IMAGES, LABELS))
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = np.array([random.choice(LABELS, p=row) for row in scores])
    return scores.astype(np.float32), truth


def test_honest_scores_need_no_temperature(honest: tuple[np.ndarray, np.ndarray]) -> None:
    assert fit_temperature(*honest) == pytest.approx(1, abs=0.05)
    assert measure_reliability(*honest).error < 0.02


@pytest.mark.parametrize("temperature", [0.4, 3.0])
def test_what_was_sharpened_or_blunted_is_found_and_undone(
    honest: tuple[np.ndarray, np.ndarray], temperature: float
) -> None:
    scores, truth = honest
    skewed = apply_temperature(scores, temperature)
    assert measure_reliability(skewed, truth).error > 0.05
    fitted = fit_temperature(skewed, truth)
    assert fitted == pytest.approx(1 / temperature, rel=0.05)
    assert measure_reliability(apply_temperature(skewed, fitted), truth).error < 0.02


def test_a_temperature_changes_no_answer_and_leaves_sums_at_one(
    honest: tuple[np.ndarray, np.ndarray],
) -> None:
    changed = apply_temperature(honest[0], 2.5)
    assert changed.dtype == np.float32
    np.testing.assert_array_equal(changed.argmax(axis=1), honest[0].argmax(axis=1))
    np.testing.assert_allclose(changed.sum(axis=1), 1, rtol=1e-5)


def test_a_temperature_divides_the_logits() -> None:
    scores = np.array([[0.8, 0.2]], np.float32)
    np.testing.assert_allclose(apply_temperature(scores, 2.0), [[2 / 3, 1 / 3]], rtol=1e-5)
    np.testing.assert_allclose(apply_temperature(scores, 0.5), [[16 / 17, 1 / 17]], rtol=1e-5)


def test_every_picture_is_in_a_bin_also_one_with_a_score_of_exactly_one() -> None:
    scores = np.array([[1.0, 0.0], [0.95, 0.05], [0.5, 0.5]], np.float32)
    reliability = measure_reliability(scores, np.array([0, 1, 0]))
    assert [(one.count, one.accuracy) for one in reliability.bins] == [(1, 1.0), (2, 0.5)]
    assert reliability.error == pytest.approx((0.5 + 2 * 0.475) / 3)


def test_the_error_by_chance_is_what_exact_scores_show(
    honest: tuple[np.ndarray, np.ndarray],
) -> None:
    scores, truth = honest
    parts = range(0, IMAGES, 400)
    shown = [measure_reliability(scores[at : at + 400], truth[at : at + 400]).error for at in parts]
    assert measure_chance_error(scores[:400]) == pytest.approx(np.mean(shown), rel=0.25)
    assert (
        measure_chance_error(scores) < measure_chance_error(scores[:400]) / 2
    )  # more images, less chance
    assert measure_chance_error(np.eye(3, dtype=np.float32)) == 0


def test_scores_of_exactly_zero_and_one_are_no_trouble() -> None:
    scores = np.eye(3, dtype=np.float32)
    assert np.isfinite(apply_temperature(scores, 0.05)).all()
    assert np.isfinite(fit_temperature(scores, np.array([0, 1, 0])))


def test_a_validation_part_without_a_mistake_makes_nothing_certain() -> None:
    scores = np.tile(np.array([[0.6, 0.4], [0.3, 0.7]], np.float32), (20, 1))
    calibrated = apply_temperature(scores, fit_temperature(scores, np.tile([0, 1], 20)))
    assert 0.9 < calibrated.max(axis=1).mean() < 0.99


@pytest.mark.parametrize("labels", [2, 3, 10])
def test_a_part_without_a_mistake_has_the_scores_that_platt_aims_at(labels: int) -> None:
    """n + 1 of n + 2: the targets of an image sum to 1, however many labels there are."""
    scores = np.full((8, labels), 0.3 / (labels - 1), np.float32)
    scores[:, 0] = 0.7
    truth = np.zeros(8, np.intp)
    calibrated = apply_temperature(scores, fit_temperature(scores, truth))
    assert calibrated[:, 0] == pytest.approx(9 / 10, abs=1e-3)


def test_the_error_is_the_mean_distance_of_score_and_accuracy() -> None:
    scores = np.array([[0.8, 0.2]] * 4 + [[0.65, 0.35]] * 4, np.float32)
    reliability = measure_reliability(scores, np.array([0, 0, 1, 1, 0, 0, 0, 0]))
    assert [(one.accuracy, one.count) for one in reliability.bins] == [(1.0, 4), (0.5, 4)]
    assert reliability.error == pytest.approx((0.35 + 0.3) / 2)


@pytest.mark.parametrize("factor", [0.2, 1.0, 30.0])
@pytest.mark.parametrize("images", [15, 200, IMAGES])
def test_the_edge_finds_the_temperature_that_scipy_finds(
    honest: tuple[np.ndarray, np.ndarray], factor: float, images: int
) -> None:
    logits = (np.log(honest[0]) * factor)[:images].astype(np.float32)
    truth = honest[1][:images]
    targets = np.full(logits.shape, 1 / (images + 2) / (LABELS - 1))
    targets[np.arange(images), truth] = (images + 1) / (images + 2)

    def compute_loss(log_temperature: float) -> float:
        return -float(np.sum(targets * log_softmax(logits / np.exp(log_temperature), axis=1)))

    best = minimize_scalar(compute_loss, bounds=(-7, 11), method="bounded", options={"xatol": 1e-9})
    fitted = calibration.fit_temperature(logits, truth)
    assert fitted == pytest.approx(float(np.exp(best.x)), rel=1e-3)


def test_reliability_has_ten_bins() -> None:
    scores = np.array([[score, 1 - score] for score in (0.81, 0.89, 0.91)], np.float32)
    assert [part.count for part in measure_reliability(scores, np.zeros(3, np.intp)).bins] == [2, 1]


@pytest.mark.parametrize(
    ("error", "by_chance", "tells"),
    [(0.01, 0.03, True), (0.03, 0.031, False), (0.046, 0.031, False), (0.047, 0.031, True)],
)
def test_an_error_tells_something_if_chance_is_small_or_much_smaller(
    error: float, by_chance: float, tells: bool
) -> None:
    assert tell_from_chance(error, by_chance) == tells
