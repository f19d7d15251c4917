"""Logits become scores that mean what they say, and thresholds that keep their promise."""

import numpy as np
import pytest

from vedette_edge.head.calibration import (
    OWN_THRESHOLD_FROM,
    Background,
    calibrate,
    fit_background,
    fit_temperature,
    fit_threshold,
    fit_thresholds,
    fit_unknown,
)
from vedette_edge.head.covariance import Floats, Labels, Moments
from vedette_edge.head.discriminant import Discriminant, fit_discriminant
from vedette_edge.model.activation import softmax
from vedette_edge.model.contract import UNKNOWN

PICTURES, LABELS = 4000, 5
WIDTH = 20


@pytest.fixture(scope="module")
def honest() -> tuple[Floats, Labels]:
    """Logits, and a truth drawn by just their scores: nothing could be calibrated better."""
    random = np.random.default_rng(3)
    logits = random.normal(0, 2, (PICTURES, LABELS)).astype(np.float32)
    truth = np.array([random.choice(LABELS, p=row / row.sum()) for row in np.exp(logits)])
    return logits, truth


@pytest.fixture(scope="module")
def separated() -> tuple[Discriminant, Floats, Labels]:
    """A fitted layer, and the logits and the truth of pictures that it was not fitted to."""
    random = np.random.default_rng(8)
    means = random.normal(0, 3, (LABELS, WIDTH))
    labels = np.arange(PICTURES) % LABELS
    features = (means[labels] + random.normal(0, 1.5, (PICTURES, WIDTH))).astype(np.float32)
    learned = slice(PICTURES // 2)
    moments = Moments.zeros(LABELS, np.zeros(WIDTH, np.float32))
    moments.add(features[learned], labels[learned])
    layer = fit_discriminant(moments, (WIDTH,), 0.06)
    rest = slice(PICTURES // 2, None)
    return layer, layer.logits(features[rest]), labels[rest]


def strangers(layer: Discriminant, size: float) -> Floats:
    """Logits of features around the middle of all classes, that far away in each."""
    random = np.random.default_rng(9)
    noise = random.normal(0, size, (500, WIDTH))
    return layer.logits((layer.middle + noise).astype(np.float32))


def test_honest_logits_need_no_temperature(honest: tuple[Floats, Labels]) -> None:
    assert fit_temperature(*honest) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("factor", [0.01, 0.3, 2.5, 500.0])
def test_what_was_sharpened_or_blunted_is_found_and_undone(
    honest: tuple[Floats, Labels], factor: float
) -> None:
    logits, truth = honest
    fitted = fit_temperature(logits * np.float32(factor), truth)
    assert fitted == pytest.approx(factor * fit_temperature(logits, truth), rel=1e-3)


def test_the_temperature_is_where_the_loss_is_least(honest: tuple[Floats, Labels]) -> None:
    logits, truth = honest[0][:200] * 3, honest[1][:200]
    sure = 201 / 202
    targets = np.full(logits.shape, (1 - sure) / (LABELS - 1))
    targets[np.arange(200), truth] = sure

    def loss(temperature: float) -> float:
        cooled = logits.astype(np.float64) / temperature
        return float(-np.sum(targets * (cooled - np.log(np.exp(cooled).sum(1, keepdims=True)))))

    fitted = fit_temperature(logits, truth)
    assert loss(fitted) < min(loss(fitted * 1.01), loss(fitted / 1.01))


def test_answers_without_a_mistake_make_nothing_certain() -> None:
    logits = np.tile(np.array([[0.4, 0.0], [0.0, 0.8]], np.float32), (20, 1))
    truth = np.tile([0, 1], 20)
    scores = calibrate(logits, fit_temperature(logits, truth), None)
    assert 0.9 < scores.max(axis=1).mean() < 0.99


def test_scores_are_no_less_than_zero_and_sum_to_one(honest: tuple[Floats, Labels]) -> None:
    scores = softmax(np.vstack([honest[0], np.full((1, LABELS), 1e4), np.eye(LABELS) * -1e4]))
    assert scores.dtype == np.float32
    assert scores.min() >= 0
    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("cost", [0.003, 0.01, 0.05, 0.2])
def test_of_the_right_answers_the_cost_becomes_unknown(
    separated: tuple[Discriminant, Floats, Labels], cost: float
) -> None:
    layer, logits, truth = separated
    temperature = fit_temperature(logits, truth)
    scores = calibrate(logits, temperature, fit_background(layer, logits, truth, temperature, cost))
    assert scores.shape == (len(truth), LABELS + 1)
    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-5)
    right = logits.argmax(axis=1) == truth
    lost = scores[right].argmax(axis=1) == LABELS
    assert lost.mean() == pytest.approx(cost, abs=1 / right.sum())


def test_an_entry_for_unknown_changes_no_other_answer(
    separated: tuple[Discriminant, Floats, Labels],
) -> None:
    layer, logits, truth = separated
    scores = calibrate(logits, 2.0, fit_background(layer, logits, truth, 2.0, 0.05))
    np.testing.assert_array_equal(scores[:, :LABELS].argmax(axis=1), logits.argmax(axis=1))
    known = scores[:, :LABELS] / scores[:, :LABELS].sum(axis=1, keepdims=True)
    np.testing.assert_allclose(known, calibrate(logits, 2.0, None), atol=1e-4)


@pytest.mark.parametrize("size", [0.5, 60])
def test_pictures_between_or_far_beyond_all_classes_are_unknown(
    separated: tuple[Discriminant, Floats, Labels], size: float
) -> None:
    layer, logits, truth = separated
    temperature = fit_temperature(logits, truth)
    background = fit_background(layer, logits, truth, temperature, 0.01)
    answers = calibrate(strangers(layer, size), temperature, background).argmax(axis=1)
    assert (answers == LABELS).mean() > 0.99


def test_a_background_has_a_direction_less_than_there_are_classes(
    separated: tuple[Discriminant, Floats, Labels],
) -> None:
    background = fit_background(*separated, 1.0, 0.01)
    assert background.projection.shape == (LABELS, LABELS - 1)
    assert background.offset.shape == (LABELS - 1,)
    assert background.projection.dtype == background.offset.dtype == np.float32


def test_without_a_right_answer_a_background_is_finite(
    separated: tuple[Discriminant, Floats, Labels],
) -> None:
    layer, logits, _ = separated
    wrong = (logits.argmax(axis=1) + 1) % LABELS
    background = fit_background(layer, logits, wrong, 1.0, 0.01)
    assert background.shift == 0
    assert np.isfinite(calibrate(logits, 1.0, background)).all()


def test_the_logit_of_unknown_is_a_squared_length() -> None:
    background = Background(np.array([[1.0], [0.0]], np.float32), np.array([2.0], np.float32), 0.5)
    scores = calibrate(np.array([[4.0, 2.0]], np.float32), 2.0, background)
    expected = np.exp([1.5, 0.5, (1.5 + 2) ** 2])
    np.testing.assert_allclose(scores[0], expected / expected.sum(), rtol=1e-5)


def test_the_threshold_is_the_lowest_that_gives_the_precision() -> None:
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.55], np.float32)
    right = np.array([True, True, True, False, True])
    threshold = fit_threshold(scores, right, 0.9)
    assert threshold.below == pytest.approx(0.7)
    assert threshold.reached
    assert right[scores >= threshold.below].mean() >= 0.9


@pytest.mark.parametrize(("right", "below"), [([1, 1, 1, 0], 0.0), ([1, 1, 1, 0, 0], 0.6)])
def test_a_precision_that_is_reached_exactly_is_enough(right: list[int], below: float) -> None:
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.5], np.float32)[: len(right)]
    threshold = fit_threshold(scores, np.array(right, bool), 0.75)
    assert threshold.below == pytest.approx(below)
    assert threshold.reached


def test_no_threshold_is_needed_where_enough_is_right_anyway() -> None:
    threshold = fit_threshold(np.full(10, 0.6, np.float32), np.ones(10, bool), 0.95)
    assert (threshold.below, threshold.reached) == (0, True)


def test_a_precision_out_of_reach_is_said_and_nothing_is_called_unknown() -> None:
    threshold = fit_threshold(np.array([0.9, 0.8], np.float32), np.array([False, True]), 0.9)
    assert (threshold.below, threshold.reached) == (0, False)


def test_answers_with_equal_scores_are_kept_or_dropped_together() -> None:
    scores = np.array([0.9, 0.7, 0.7], np.float32)
    threshold = fit_threshold(scores, np.array([True, True, False]), 0.95)
    assert threshold.below == pytest.approx(0.9)


def test_without_answers_no_threshold_is_reached() -> None:
    threshold = fit_threshold(np.empty(0, np.float32), np.empty(0, bool), 0.95)
    assert (threshold.below, threshold.reached) == (0, False)


def answered(*classes: tuple[int, float, float]) -> tuple[Floats, Labels]:
    """Scores and truth: of each class the answers, and the shares of right ones at 0.9 and 0.6.

    Half of the answers have the one score, half the other. A wrong answer's truth is the class
    after its own.
    """
    count = len(classes)
    scores, truth = [], []
    for label, (answers, *shares) in enumerate(classes):
        for best, share in zip((0.9, 0.6), shares, strict=True):
            for number in range(answers // 2):
                row = np.full(count, (1 - best) / (count - 1))
                row[label] = best
                scores.append(row)
                truth.append(label if number < share * (answers // 2) else (label + 1) % count)
    return np.array(scores, np.float32), np.array(truth)


def test_only_a_class_with_enough_answers_has_a_threshold_of_its_own() -> None:
    few = OWN_THRESHOLD_FROM - 2
    scores, truth = answered((OWN_THRESHOLD_FROM, 1.0, 0.5), (few, 1.0, 0.5), (400, 1.0, 1.0))
    overall, own = fit_thresholds(scores, truth, ("fox", "hen", "owl"), 0.95)
    assert overall.below == pytest.approx(0.9)
    assert own == {"fox": pytest.approx(0.9), "owl": 0}


def test_a_class_whose_own_precision_is_out_of_reach_keeps_the_threshold_of_all() -> None:
    scores, truth = answered((200, 0.5, 0.5), (4000, 1.0, 0.8))
    overall, own = fit_thresholds(scores, truth, ("fox", "hen"), 0.95)
    assert overall.reached
    assert own["fox"] == overall.below == pytest.approx(0.9)


def test_answers_that_are_unknown_already_count_for_no_threshold() -> None:
    scores, truth = answered((200, 1.0, 0.5), (200, 1.0, 1.0), (300, 0.0, 0.0))
    overall, own = fit_thresholds(scores, truth, ("fox", "hen", UNKNOWN), 0.95)
    known = scores.argmax(axis=1) < 2
    expected, _ = fit_thresholds(scores[known], truth[known], ("fox", "hen", UNKNOWN), 0.95)
    assert overall == expected
    assert overall.reached
    assert own.keys() == {"fox", "hen"}


@pytest.mark.parametrize("classes", [2, 3])
def test_with_few_classes_an_entry_for_unknown_leaves_right_answers_sure(classes: int) -> None:
    """Two classes that are far apart: the entry takes its one in a hundred, and not half of all."""
    random = np.random.default_rng(3)
    labels = np.arange(80) % classes
    means = 4 * random.normal(0, 1, (classes, WIDTH))
    features, others = (
        (means[labels] + random.normal(0, 1, (80, WIDTH))).astype(np.float32) for _ in range(2)
    )
    moments = Moments.zeros(classes, np.zeros(WIDTH, np.float32))
    moments.add(features, labels)
    layer = fit_discriminant(moments, (WIDTH,), 0.06)
    logits = layer.logits(others)
    temperature, background = fit_unknown(layer, logits, labels, 0.01)
    scores = calibrate(logits, temperature, background)
    right = scores[np.arange(80), labels]
    assert (scores.argmax(axis=1) == labels).mean() >= 0.98
    assert right.mean() > 0.9
    middle = calibrate(layer.logits(means.mean(axis=0, keepdims=True)), temperature, background)
    assert middle.argmax() == classes
