"""Scores that mean something: a temperature, how far scores are off, and when to say unknown."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import softmax

BINS = 10
COLDEST, HOTTEST = 0.05, 20.0  # where a temperature is looked for
DRAWS = 200  # how often a test is imagined

Scores = NDArray[np.float32]  # pictures x labels, 0..1, each row sums to 1
Truth = NDArray[np.intp]  # index of the right label, a picture each


@dataclass(frozen=True, slots=True)
class Bin:
    """Pictures with about the same best score."""

    score: float  # their mean best score, 0..1
    accuracy: float  # share of them that is right, 0..1
    pictures: int


@dataclass(frozen=True, slots=True)
class Reliability:
    """Whether of the answers with a score of 0.8 four in five are right."""

    bins: tuple[Bin, ...]  # of equal width, the empty ones left out
    error: float  # expected calibration error, 0..1: mean of |score - accuracy| over pictures


@dataclass(frozen=True, slots=True)
class Threshold:
    """The score below which an answer is `unknown`."""

    below: float  # 0..1; 0: every answer counts
    precision: float  # share of right answers that was asked for, 0..1
    reached: bool  # whether any threshold gives it on the validation part


def fit_temperature(scores: Scores, truth: Truth) -> float:
    """The softmax temperature of the least mean negative log-likelihood.

    Guo et al., On Calibration of Modern Neural Networks, ICML 2017, section 4.2. The targets are
    Platt's (1999), a little less than 1 of n pictures, or with every answer right the scores
    would be driven to certainty.
    """
    pictures, labels = scores.shape
    sure = (pictures + 1) / (pictures + 2)
    targets = np.full((pictures, labels), (1 - sure) / (labels - 1))
    targets[np.arange(pictures), truth] = sure

    def loss(log_temperature: float) -> float:
        found = cooled(scores, float(np.exp(log_temperature)))
        return float(-np.sum(targets * np.log(np.maximum(found, np.finfo(np.float32).tiny))))

    bounds = (np.log(COLDEST), np.log(HOTTEST))
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def cooled(scores: Scores, temperature: float) -> Scores:
    """What the scores would be with the logits divided by `temperature`."""
    # Logits but for a constant a row, which a softmax does not see.
    logits = np.log(np.maximum(scores, np.finfo(np.float32).tiny))
    return np.asarray(softmax(logits / temperature, axis=1), np.float32)


def reliability(scores: Scores, truth: Truth) -> Reliability:
    """Bin pictures by best score; the error is Guo et al.'s equation 3 with ten bins."""
    best, right = scores.max(axis=1), scores.argmax(axis=1) == truth
    places = np.minimum((best * BINS).astype(int), BINS - 1)
    members = [places == place for place in range(BINS)]
    bins = tuple(
        Bin(float(best[here].mean()), float(right[here].mean()), int(here.sum()))
        for here in members
        if here.any()
    )
    error = sum(abs(one.score - one.accuracy) * one.pictures for one in bins) / len(truth)
    return Reliability(bins, error)


def chance_error(scores: Scores) -> float:
    """The calibration error to expect if every score were exactly true, 0..1.

    Not zero, since a bin of few pictures is seldom right just as often as it should be: the
    mean over tests of these pictures with answers right by chance, the same at each call.
    """
    best, draw = scores.max(axis=1), np.random.default_rng(0)
    places = np.minimum((best * BINS).astype(int), BINS - 1)
    errors = [
        np.abs(np.bincount(places, best - (draw.random(len(best)) < best))).sum() / len(best)
        for _ in range(DRAWS)
    ]
    return float(np.mean(errors))


def threshold(scores: Scores, truth: Truth, precision: float) -> Threshold:
    """The lowest threshold at which the answers that remain are right often enough.

    Where none does, every answer counts: a threshold that keeps no promise helps nobody.
    """
    best, right = scores.max(axis=1), scores.argmax(axis=1) == truth
    if right.mean() >= precision:
        return Threshold(0.0, precision, reached=True)
    order = np.argsort(-best, kind="stable")
    shares = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    last_of_equals = np.append(np.diff(best[order]) != 0, True)
    enough = np.flatnonzero((shares >= precision) & last_of_equals)
    if not len(enough):
        return Threshold(0.0, precision, reached=False)
    return Threshold(float(best[order][enough[-1]]), precision, reached=True)
