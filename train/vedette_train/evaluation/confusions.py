"""Mistakes of a model: its most confident ones, and the classes that it confuses."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vedette_train.evaluation.predictions import Evaluation


@dataclass(frozen=True, slots=True)
class Mistake:
    """One wrong answer."""

    place: int  # of the image in the evaluation
    truth: str
    answer: str
    score: float  # of the answer, 0..1


@dataclass(frozen=True, slots=True)
class ConfusedPair:
    """A class, and another that the model takes it for."""

    truth: str
    answer: str
    count: int  # images of `truth` that got `answer`
    of: int  # images of `truth`


def find_worst(evaluation: Evaluation, most: int) -> list[Mistake]:
    """The wrong answers with the highest scores, the highest first."""
    answers = evaluation.answers
    wrong = np.flatnonzero(~evaluation.correct)
    scores = evaluation.scores[wrong, answers[wrong]]
    first = np.argsort(-scores, kind="stable")[:most]
    labels = evaluation.labels
    return [
        Mistake(int(place), labels[evaluation.truth[place]], labels[answers[place]], float(score))
        for place, score in zip(wrong[first], scores[first], strict=True)
    ]


def count_pairs(evaluation: Evaluation, most: int) -> list[ConfusedPair]:
    """The pairs with the most mistakes, the most first; of equals, the smaller class first."""
    counts = evaluation.count_confusions()
    totals = counts.sum(axis=1)
    truths, answers = np.nonzero(counts * (1 - np.eye(len(counts), dtype=counts.dtype)))
    order = np.lexsort((totals[truths], -counts[truths, answers]))[:most]
    labels, pairs = evaluation.labels, zip(truths[order], answers[order], strict=True)
    return [
        ConfusedPair(labels[row], labels[column], int(counts[row, column]), int(totals[row]))
        for row, column in pairs
    ]


def find_most_confused(counts: NDArray[np.intp], most: int) -> NDArray[np.intp]:
    """Indices of the classes with the most mistakes, in ascending order.

    Images of other classes that are taken for a class count, too. `counts` is a confusion matrix:
    images by true label (rows) and answer (columns).
    """
    mistakes = counts.sum(axis=0) + counts.sum(axis=1) - 2 * counts.diagonal()
    return np.sort(np.argsort(-mistakes, kind="stable")[:most])
