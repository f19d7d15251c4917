"""Softmax temperature after gradient descent, and the calibration error of scores."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import softmax

BINS = 10
LOWEST, HIGHEST = 0.05, 20.0  # bounds of the temperature
DRAWS = 200  # simulated tests
MOST_BY_CHANCE = 0.03  # calibration error of exactly true scores where images are enough
NEAR_CHANCE = 1.5  # times that error: more cannot be chance alone

Scores = NDArray[np.float32]  # images x labels, 0..1, each row sums to 1
Truth = NDArray[np.intp]  # index of the correct label of each image


@dataclass(frozen=True, slots=True)
class Bin:
    """Images whose best scores are about the same."""

    score: float  # their mean best score, 0..1
    accuracy: float  # share that is classified correctly, 0..1
    count: int


@dataclass(frozen=True, slots=True)
class Reliability:
    """A reliability diagram: of the answers with a score of 0.8, ideally 80 % are correct."""

    bins: tuple[Bin, ...]  # of equal width, without empty ones
    error: float  # expected calibration error, 0..1: mean of |score - accuracy| over images


def fit_temperature(scores: Scores, truth: Truth) -> float:
    """The softmax temperature with the lowest mean negative log-likelihood.

    Guo et al., On Calibration of Modern Neural Networks, ICML 2017, section 4.2. The targets are
    Platt's (1999), a little below 1 for n images: with targets of 1 and every answer correct, the
    scores would approach certainty. `vedette_edge.head.calibration` does the same to logits; this
    function remains because other rounding would change the weights of existing recipes.
    """
    images, labels = scores.shape
    sure = (images + 1) / (images + 2)
    targets = np.full((images, labels), (1 - sure) / (labels - 1))
    targets[np.arange(images), truth] = sure

    def compute_loss(log_temperature: float) -> float:
        calibrated = apply_temperature(scores, float(np.exp(log_temperature)))
        return float(-np.sum(targets * np.log(np.maximum(calibrated, np.finfo(np.float32).tiny))))

    bounds = (np.log(LOWEST), np.log(HIGHEST))
    return float(np.exp(minimize_scalar(compute_loss, bounds=bounds, method="bounded").x))


def apply_temperature(scores: Scores, temperature: float) -> Scores:
    """The scores that result if the logits are divided by `temperature`."""
    # Logits up to a constant in each row, which a softmax ignores.
    logits = np.log(np.maximum(scores, np.finfo(np.float32).tiny))
    return np.asarray(softmax(logits / temperature, axis=1), np.float32)


def measure_reliability(scores: Scores, truth: Truth) -> Reliability:
    """Bin images by best score; the error is equation 3 of Guo et al. with ten bins."""
    best, correct = scores.max(axis=1), scores.argmax(axis=1) == truth
    places = np.minimum((best * BINS).astype(int), BINS - 1)
    members = [places == place for place in range(BINS)]
    bins = tuple(
        Bin(float(best[here].mean()), float(correct[here].mean()), int(here.sum()))
        for here in members
        if here.any()
    )
    error = sum(abs(part.score - part.accuracy) * part.count for part in bins) / max(1, len(truth))
    return Reliability(bins, error)


def measure_chance_error(scores: Scores) -> float:
    """The calibration error to expect from exactly true scores, 0..1.

    It is above zero, because the accuracy of a bin with few images differs from their mean score
    by chance. This is the mean of simulated tests, the same in each call.
    """
    best, random, images = scores.max(axis=1), np.random.default_rng(0), max(1, len(scores))
    places = np.minimum((best * BINS).astype(int), BINS - 1)
    errors = [
        np.abs(np.bincount(places, best - (random.random(len(best)) < best))).sum() / images
        for _ in range(DRAWS)
    ]
    return float(np.mean(errors))


def tell_from_chance(error: float, by_chance: float) -> bool:
    """True if a calibration error says something about the scores; else images are too few.

    `by_chance` is that of exactly true scores, from measure_chance_error.
    """
    return by_chance <= MOST_BY_CHANCE or error > NEAR_CHANCE * by_chance
