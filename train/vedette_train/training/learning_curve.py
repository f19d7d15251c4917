"""Accuracy by the number of images: would more of them help?"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vedette_edge.console import Output
from vedette_edge.head.cross_validation import read_rows, split_batches
from vedette_edge.head.discriminant import fit_discriminant
from vedette_edge.head.record import HeadRecord
from vedette_train.evaluation.predictions import compute_wilson_interval
from vedette_train.training.discriminant_head import SHRINKAGES_OF_FEW, FittedHead
from vedette_train.training.feature_set import FeatureSet

SHARES = (1 / 8, 1 / 4, 1 / 2)  # of the images that are not held out
LEAST_HELD_OUT = 400  # images to test with, if there are as many
LEAST_TRAINING = 2  # images of each class


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """Accuracy of a head that was fitted to some of the images; a point of metrics.json."""

    pictures: float  # mean number per class
    accuracy: float  # 0..1, of images that were held out
    low: float  # Wilson's 95 % interval
    high: float


def measure_learning_curve(
    training: FeatureSet, fitted: FittedHead, output: Output
) -> list[CurvePoint]:
    """Fit the head to growing subsets, and test it on the folds that are held out.

    The last point comes from the out-of-fold answers of the head itself. `unknown` is no answer
    here.
    """
    correct = fitted.uncalibrated.correct
    classes = int(training.labels.max()) + 1
    hits: defaultdict[float, list[NDArray[np.bool_]]] = defaultdict(list)
    sizes: defaultdict[float, list[float]] = defaultdict(list)
    folds = _select_folds(training.folds)
    subsets = [(fold, *one) for fold in folds for one in _draw_subsets(training, fold, classes)]
    with output.show_progress("measuring learning curve", len(subsets)) as advance:
        for fold, share, subset in subsets:
            held_out = np.flatnonzero(training.folds == fold)
            hits[share].append(_test_subset(training, fitted.record, subset, held_out))
            sizes[share].append(len(subset) / classes)
            advance()
    for fold in folds:
        held_out = np.flatnonzero(training.folds == fold)
        hits[1.0].append(correct[held_out])
        sizes[1.0].append((len(correct) - len(held_out)) / classes)
    return [
        CurvePoint(float(np.mean(sizes[share])), float(hit.mean()), *compute_wilson_interval(hit))
        for share, hit in ((share, np.concatenate(hits[share])) for share in sorted(hits))
    ]


def _select_folds(folds: NDArray[np.intp]) -> list[int]:
    """The first folds, as many as are needed for enough images to test with."""
    sizes = np.cumsum(np.bincount(folds))
    return list(range(int(np.searchsorted(sizes, min(LEAST_HELD_OUT, sizes[-1]))) + 1))


def _draw_subsets(
    training: FeatureSet, fold: int, classes: int
) -> Iterator[tuple[float, NDArray[np.intp]]]:
    """Random shares of each class outside the fold; a larger one contains the smaller ones."""
    random = np.random.default_rng(0)
    rest = random.permutation(np.flatnonzero(training.folds != fold))
    labels = training.labels[rest]
    members = [rest[labels == label] for label in range(classes)]
    fewest = min(map(len, members))
    for share in SHARES:
        if share * fewest >= min(LEAST_TRAINING, fewest):
            parts = [rows[: max(1, round(share * len(rows)))] for rows in members]
            yield share, np.concatenate(parts)


def _test_subset(
    training: FeatureSet, record: HeadRecord, subset: NDArray[np.intp], held_out: NDArray[np.intp]
) -> NDArray[np.bool_]:
    """Fit a head to a subset. Returns True for each correct answer to the images held out."""
    width, classes = sum(record.widths), int(training.labels.max()) + 1
    rows = read_rows(training, subset, classes, width, training.sum_groups)
    few = rows.counts.sum() < width
    shrinkage = max(record.shrinkage, SHRINKAGES_OF_FEW[0]) if few else record.shrinkage
    fitted = fit_discriminant(rows, record.widths, shrinkage)
    answers = [
        fitted.logits(next(training.views(places))[:, :width]).argmax(axis=1)
        for places in split_batches(held_out)
    ]
    return np.asarray(np.concatenate(answers) == training.labels[held_out])
