"""Scores that mean what they say, and a threshold that keeps its promise."""

import numpy as np
import pytest

from vedette_train.calibration import chance_error, cooled, fit_temperature, reliability, threshold

PICTURES, LABELS = 4000, 5


@pytest.fixture
def honest() -> tuple[np.ndarray, np.ndarray]:
    """Scores, and a truth drawn by just these scores: nothing could be calibrated better."""
    random = np.random.default_rng(3)
    logits = random.normal(0, 2, (PICTURES, LABELS))
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = np.array([random.choice(LABELS, p=row) for row in scores])
    return scores.astype(np.float32), truth


def test_honest_scores_need_no_temperature(honest: tuple[np.ndarray, np.ndarray]) -> None:
    assert fit_temperature(*honest) == pytest.approx(1, abs=0.05)
    assert reliability(*honest).error < 0.02


@pytest.mark.parametrize("temperature", [0.4, 3.0])
def test_what_was_sharpened_or_blunted_is_found_and_undone(
    honest: tuple[np.ndarray, np.ndarray], temperature: float
) -> None:
    scores, truth = honest
    skewed = cooled(scores, temperature)
    assert reliability(skewed, truth).error > 0.05
    found = fit_temperature(skewed, truth)
    assert found == pytest.approx(1 / temperature, rel=0.05)
    assert reliability(cooled(skewed, found), truth).error < 0.02


def test_a_temperature_changes_no_answer_and_leaves_sums_at_one(
    honest: tuple[np.ndarray, np.ndarray],
) -> None:
    changed = cooled(honest[0], 2.5)
    assert changed.dtype == np.float32
    np.testing.assert_array_equal(changed.argmax(axis=1), honest[0].argmax(axis=1))
    np.testing.assert_allclose(changed.sum(axis=1), 1, rtol=1e-5)


def test_the_error_by_chance_is_what_exact_scores_show(
    honest: tuple[np.ndarray, np.ndarray],
) -> None:
    scores, truth = honest
    parts = range(0, PICTURES, 400)
    shown = [reliability(scores[at : at + 400], truth[at : at + 400]).error for at in parts]
    assert chance_error(scores[:400]) == pytest.approx(np.mean(shown), rel=0.25)
    assert chance_error(scores) < chance_error(scores[:400]) / 2  # more pictures, less chance
    assert chance_error(np.eye(3, dtype=np.float32)) == 0


def test_scores_of_exactly_zero_and_one_are_no_trouble() -> None:
    scores = np.eye(3, dtype=np.float32)
    assert np.isfinite(cooled(scores, 0.05)).all()
    assert np.isfinite(fit_temperature(scores, np.array([0, 1, 0])))


def test_a_validation_part_without_a_mistake_makes_nothing_certain() -> None:
    scores = np.tile(np.array([[0.6, 0.4], [0.3, 0.7]], np.float32), (20, 1))
    found = cooled(scores, fit_temperature(scores, np.tile([0, 1], 20)))
    assert 0.9 < found.max(axis=1).mean() < 0.99


def test_the_error_is_the_mean_distance_of_score_and_accuracy() -> None:
    scores = np.array([[0.8, 0.2]] * 4 + [[0.65, 0.35]] * 4, np.float32)
    found = reliability(scores, np.array([0, 0, 1, 1, 0, 0, 0, 0]))
    assert [(one.accuracy, one.pictures) for one in found.bins] == [(1.0, 4), (0.5, 4)]
    assert found.error == pytest.approx((0.35 + 0.3) / 2)


def test_the_threshold_is_the_lowest_that_gives_the_precision() -> None:
    best = np.array([0.9, 0.8, 0.7, 0.6, 0.55])
    truth = np.array([0, 0, 0, 1, 0])  # so the fourth answer is wrong
    scores = np.stack([best, 1 - best], axis=1).astype(np.float32)
    found = threshold(scores, truth, 0.9)
    assert found.below == pytest.approx(0.7)
    assert found.reached
    kept = scores.max(axis=1) >= found.below
    assert (scores.argmax(axis=1) == truth)[kept].mean() >= 0.9


def test_no_threshold_is_needed_where_enough_is_right_anyway() -> None:
    scores = np.array([[0.6, 0.4]] * 10, np.float32)
    assert threshold(scores, np.zeros(10, int), 0.95).below == 0


def test_a_precision_out_of_reach_is_said_and_nothing_is_called_unknown() -> None:
    scores = np.array([[0.9, 0.1], [0.8, 0.2]], np.float32)
    found = threshold(scores, np.array([1, 0]), 0.9)
    assert (found.below, found.reached) == (0, False)


def test_answers_with_equal_scores_are_kept_or_dropped_together() -> None:
    scores = np.array([[0.9, 0.1], [0.7, 0.3], [0.7, 0.3]], np.float32)
    found = threshold(scores, np.array([0, 0, 1]), 0.95)
    assert found.below == pytest.approx(0.9)
