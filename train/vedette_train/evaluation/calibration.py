"""Temperature after gradient descent, and how far scores are from the truth."""

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


def fit_temperature(scores: Scores, truth: Truth) -> float:
    """The softmax temperature of the least mean negative log-likelihood.

    Guo et al., On Calibration of Modern Neural Networks, ICML 2017, section 4.2. The targets are
    Platt's (1999), a little less than 1 of n pictures, or with every answer right the scores
    would be driven to certainty. `vedette_edge.head.calibration` does the same to logits; this
    one stays, since the recipe's weights are divided by its result and keep every bit.
    """
    pictures, labels = scores.shape
    sure = (pictures + 1) / (pictures + 2)
    targets = np.full((pictures, labels), (1 - sure) / (labels - 1))
    targets[np.arange(pictures), truth] = sure

    def loss(log_temperature: float) -> float:
        found = apply_temperature(scores, float(np.exp(log_temperature)))
        return float(-np.sum(targets * np.log(np.maximum(found, np.finfo(np.float32).tiny))))

    bounds = (np.log(COLDEST), np.log(HOTTEST))
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def apply_temperature(scores: Scores, temperature: float) -> Scores:
    """What the scores would be with the logits divided by `temperature`."""
    # Logits but for a constant a row, which a softmax does not see.
    logits = np.log(np.maximum(scores, np.finfo(np.float32).tiny))
    return np.asarray(softmax(logits / temperature, axis=1), np.float32)


def measure_reliability(scores: Scores, truth: Truth) -> Reliability:
    """Bin pictures by best score; the error is Guo et al.'s equation 3 with ten bins."""
    best, right = scores.max(axis=1), scores.argmax(axis=1) == truth
    places = np.minimum((best * BINS).astype(int), BINS - 1)
    members = [places == place for place in range(BINS)]
    bins = tuple(
        Bin(float(best[here].mean()), float(right[here].mean()), int(here.sum()))
        for here in members
        if here.any()
    )
    error = sum(abs(one.score - one.accuracy) * one.pictures for one in bins) / max(1, len(truth))
    return Reliability(bins, error)


def chance_error(scores: Scores) -> float:
    """The calibration error to expect if every score were exactly true, 0..1.

    Not zero, since a bin of few pictures is seldom right just as often as it should be: the
    mean over tests of these pictures with answers right by chance, the same at each call.
    """
    best, draw, pictures = scores.max(axis=1), np.random.default_rng(0), max(1, len(scores))
    places = np.minimum((best * BINS).astype(int), BINS - 1)
    errors = [
        np.abs(np.bincount(places, best - (draw.random(len(best)) < best))).sum() / pictures
        for _ in range(DRAWS)
    ]
    return float(np.mean(errors))
