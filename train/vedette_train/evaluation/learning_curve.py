"""Accuracy by the number of pictures: an answer to "do I have enough?"."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vedette_edge.head.cross_validation import split_batches, sum_moments
from vedette_edge.head.discriminant import fit_discriminant
from vedette_edge.head.record import HeadRecord
from vedette_train.evaluation.predictions import wilson_interval
from vedette_train.training.discriminant_head import SHRINKAGES_OF_FEW, FittedHead, Pictures

SHARES = (1 / 8, 1 / 4, 1 / 2)  # of the pictures that are not held out
LEAST_HELD_OUT = 400  # pictures to measure with, if there are as many
LEAST_LEARNED = 2  # pictures a class


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """Accuracy of a head that was fitted to some of the pictures."""

    pictures: float  # mean number a class
    accuracy: float  # 0..1, of pictures held out
    low: float  # Wilson's 95 % interval
    high: float


def measure_learning_curve(pictures: Pictures, fitted: FittedHead) -> list[CurvePoint]:
    """Fit the head to growing subsets, and measure it on the folds that are held out.

    The last point is that of its own answers out of fold. `unknown` is no answer here.
    """
    record, scores = fitted.record, fitted.uncalibrated.scores
    right = scores.argmax(axis=1) == pictures.labels
    classes = int(pictures.labels.max()) + 1
    hits: dict[float, list[NDArray[np.bool_]]] = {}
    learned: dict[float, list[float]] = {}
    for fold in _held_out_folds(pictures.folds):
        held_out = np.flatnonzero(pictures.folds == fold)
        for share, subset in _subsets(pictures, fold, classes):
            hits.setdefault(share, []).append(_hits(pictures, record, subset, held_out))
            learned.setdefault(share, []).append(len(subset) / classes)
        hits.setdefault(1.0, []).append(right[held_out])
        learned.setdefault(1.0, []).append((len(right) - len(held_out)) / classes)
    return [
        _point(float(np.mean(learned[share])), np.concatenate(hits[share]))
        for share in sorted(hits)
    ]


def _held_out_folds(folds: NDArray[np.intp]) -> list[int]:
    """As many folds as it takes to measure with enough pictures."""
    sizes = np.cumsum(np.bincount(folds))
    return list(range(int(np.searchsorted(sizes, min(LEAST_HELD_OUT, sizes[-1]))) + 1))


def _subsets(
    pictures: Pictures, fold: int, classes: int
) -> Iterator[tuple[float, NDArray[np.intp]]]:
    """Shares of each class, drawn at random; a larger one contains the smaller ones."""
    random = np.random.default_rng(0)
    learned = random.permutation(np.flatnonzero(pictures.folds != fold))
    labels = pictures.labels[learned]
    members = [learned[labels == label] for label in range(classes)]
    fewest = min(map(len, members))
    for share in SHARES:
        if share * fewest >= min(LEAST_LEARNED, fewest):
            taken = [mine[: max(1, round(share * len(mine)))] for mine in members]
            yield share, np.concatenate(taken)


def _hits(
    pictures: Pictures,
    record: HeadRecord,
    learned: NDArray[np.intp],
    held_out: NDArray[np.intp],
) -> NDArray[np.bool_]:
    width, classes = sum(record.widths), int(pictures.labels.max()) + 1
    moments = sum_moments(pictures, learned, classes, width)
    few = moments.counts.sum() < width
    share = max(record.shrinkage, SHRINKAGES_OF_FEW[0]) if few else record.shrinkage
    fitted = fit_discriminant(moments, record.widths, share)
    answers = [
        fitted.logits(next(pictures.views(some))[:, :width]).argmax(axis=1)
        for some in split_batches(held_out)
    ]
    return np.asarray(np.concatenate(answers) == pictures.labels[held_out])


def _point(learned: float, hits: NDArray[np.bool_]) -> CurvePoint:
    return CurvePoint(learned, float(hits.mean()), *wilson_interval(hits))
