"""Calibrate logits into scores: a temperature, an entry for `unknown`, and thresholds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vedette_edge.head.covariance import Floats, Labels
from vedette_edge.head.discriminant import Discriminant
from vedette_edge.model.activation import softmax
from vedette_edge.model.contract import UNKNOWN

OWN_THRESHOLD_FROM = 100  # answers; a class with fewer has no threshold of its own

_HALVINGS = 40  # of the range in which a temperature is searched for
# Factors of the temperature that are tried with an entry for `unknown`.
_COLDER = np.geomspace(1, 0.005, 13)
_NEAR = np.geomspace(1.5, 1 / 1.5, 9)  # then factors around the best of them


@dataclass(frozen=True, slots=True)
class Background:
    """The logit of `unknown`: `sum((logits @ projection + offset) ** 2)`."""

    projection: Floats  # class x direction
    offset: Floats  # direction
    shift: float  # is subtracted from the classes' logits, so that this logit needs no constant


@dataclass(frozen=True, slots=True)
class Threshold:
    """The score below which an answer is `unknown`."""

    below: float  # 0..1; 0: every answer counts
    precision: float  # share of right answers to reach, 0..1
    reached: bool  # True if a threshold reaches it


def fit_temperature(logits: Floats, truth: Labels) -> float:
    """Fit the softmax temperature with the lowest mean negative log-likelihood.

    Guo et al., On Calibration of Modern Neural Networks, ICML 2017, section 4.2. The targets are
    Platt's (1999), slightly below 1 for n images: otherwise, if every answer is right, scores
    become certain. The loss is convex in 1 / temperature, so that its derivative has one root.
    """
    images, classes = logits.shape
    sure = (images + 1) / (images + 2)
    other = (1 - sure) / (classes - 1)
    right = logits[np.arange(images), truth].astype(np.float64)
    target = float(np.sum((sure - other) * right + other * logits.sum(axis=1, dtype=np.float64)))
    low, high = np.log(1e-3), np.log(1e5)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        scores = softmax(logits / np.float32(np.exp(middle)))
        too_cold = float(np.sum(scores * logits, dtype=np.float64)) > target
        low, high = (middle, high) if too_cold else (low, middle)
    return float(np.exp((low + high) / 2))


def fit_unknown(
    discriminant: Discriminant, logits: Floats, truth: Labels, cost: float
) -> tuple[float, Background]:
    """Fit the entry for `unknown` and the temperature that maximize the likelihood.

    The entry takes a part of every score, most with two or three classes. So the best temperature
    is at most that of the classes alone, and much lower with few classes.
    """
    hottest = fit_temperature(logits, truth)

    def find_likeliest(temperatures: NDArray[np.float64]) -> tuple[float, Background]:
        pairs = [
            (temperature, fit_background(discriminant, logits, truth, temperature, cost))
            for temperature in temperatures.tolist()
        ]
        return min(pairs, key=lambda pair: _compute_loss(calibrate(logits, *pair), truth))

    temperature, _ = find_likeliest(hottest * _COLDER)
    return find_likeliest(np.minimum(temperature * _NEAR, hottest))


def _compute_loss(scores: Floats, truth: Labels) -> float:
    """The mean negative log-likelihood of right and wrong, with Platt's targets."""
    images, tiny = len(scores), np.finfo(np.float32).tiny
    sure = (images + 1) / (images + 2)
    right = scores[np.arange(images), truth].astype(np.float64)
    logs = np.log(np.maximum([right, 1 - right], tiny))
    return -float(np.mean(sure * logs[0] + (1 - sure) * logs[1]))


def fit_background(
    discriminant: Discriminant, logits: Floats, truth: Labels, temperature: float, cost: float
) -> Background:
    """Fit a class that was never seen, as an additional logit before the softmax.

    Its mean has the same normal distribution as the means of the known classes (Ioffe,
    Probabilistic Linear Discriminant Analysis, ECCV 2006), so that the ratio of its likelihood
    to that of a class at the middle is a quadratic form of the logits. `logits` are out of fold,
    before the temperature; the share `cost` of their right answers becomes unknown.
    """
    values, vectors = np.linalg.eigh(discriminant.gram)
    values, vectors = np.maximum(values[1:], 1e-9), vectors[:, 1:]  # the rows of logits sum to 0
    spread = values / (len(discriminant.gram) * temperature)
    weight = spread / (1 + spread)
    projection = vectors * np.sqrt(temperature * weight / values / 2)
    place = np.diag(discriminant.gram) / (2 * temperature)
    cooled = logits / np.float32(temperature)
    distance = np.square((cooled + place) @ projection).sum(axis=1)
    lead = (cooled.max(axis=1) - distance)[logits.argmax(axis=1) == truth]
    shift = float(np.quantile(lead, cost)) if len(lead) else 0.0
    offset = np.asarray((place + shift) @ projection, np.float32)
    return Background(np.asarray(projection, np.float32), offset, shift)


def calibrate(logits: Floats, temperature: float, background: Background | None) -> Floats:
    """Turn rows of logits into scores, with a last column for `unknown` given a background."""
    cooled = logits / np.float32(temperature)
    if background is None:
        return softmax(cooled)
    cooled = cooled - np.float32(background.shift)
    distance = np.square(cooled @ background.projection + background.offset).sum(axis=1)
    return softmax(np.column_stack([cooled, distance]))


def fit_threshold(scores: Floats, right: NDArray[np.bool_], precision: float) -> Threshold:
    """Fit the lowest threshold at which the remaining answers reach a precision.

    `scores` are those of the answers, 0..1. If no threshold reaches the precision, every answer
    counts.
    """
    if len(right) and right.mean() >= precision:
        return Threshold(0.0, precision, reached=True)
    order = np.argsort(-scores, kind="stable")
    shares = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    last_of_equals = np.append(np.diff(scores[order]) != 0, True)
    enough = np.flatnonzero((shares >= precision) & last_of_equals)
    below = float(scores[order][enough[-1]]) if len(enough) else 0.0
    return Threshold(below, precision, reached=bool(len(enough)))


def fit_thresholds(
    scores: Floats, truth: Labels, labels: Sequence[str], precision: float
) -> tuple[Threshold, dict[str, float]]:
    """Fit a threshold for all classes, and by label those of classes with enough answers.

    Answers that are already `unknown` do not count.
    """
    answers, best = scores.argmax(axis=1), scores.max(axis=1)
    known = np.array([label != UNKNOWN for label in labels])[answers]
    right = answers == truth
    overall = fit_threshold(best[known], right[known], precision)
    by_label = {}
    for place, label in enumerate(labels):
        own_answers = answers == place
        if label != UNKNOWN and own_answers.sum() >= OWN_THRESHOLD_FROM:
            own = fit_threshold(best[own_answers], right[own_answers], precision)
            by_label[label] = own.below if own.reached else overall.below
    return overall, by_label
