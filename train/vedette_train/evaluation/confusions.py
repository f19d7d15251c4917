"""Where a model errs: its surest wrong answers, the pairs it confuses, the classes it muddles."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vedette_train.evaluation.predictions import Evaluation


@dataclass(frozen=True, slots=True)
class Mistake:
    """One wrong answer."""

    place: int  # of the picture in the evaluation
    truth: str
    answer: str
    score: float  # of the answer, 0..1


@dataclass(frozen=True, slots=True)
class Pair:
    """A class that is taken for another."""

    truth: str
    answer: str
    pictures: int  # of the one that were taken for the other
    of: int  # pictures of the one


def worst(evaluation: Evaluation, most: int) -> list[Mistake]:
    """The wrong answers of the highest score, the highest first."""
    answers = evaluation.answers
    wrong = np.flatnonzero(~evaluation.right)
    scores = evaluation.scores[wrong, answers[wrong]]
    surest = np.argsort(-scores, kind="stable")[:most]
    labels = evaluation.labels
    return [
        Mistake(int(place), labels[evaluation.truth[place]], labels[answers[place]], float(score))
        for place, score in zip(wrong[surest], scores[surest], strict=True)
    ]


def count_pairs(evaluation: Evaluation, most: int) -> list[Pair]:
    """The pairs of the most mistakes, the most first; of equals those of the smaller class."""
    counts = evaluation.confusion()
    totals = counts.sum(axis=1)
    truths, answers = np.nonzero(counts * (1 - np.eye(len(counts), dtype=counts.dtype)))
    order = np.lexsort((totals[truths], -counts[truths, answers]))[:most]
    return [
        Pair(evaluation.labels[row], evaluation.labels[column], int(counts[row, column]), int(of))
        for row, column, of in zip(
            truths[order], answers[order], totals[truths[order]], strict=True
        )
    ]


def find_most_confused(counts: NDArray[np.intp], most: int) -> NDArray[np.intp]:
    """Indices, rising, of the classes with the most mistakes: theirs, and others taken for them.

    `counts` is a confusion matrix: pictures by true label (rows) and answer (columns).
    """
    mistakes = counts.sum(axis=0) + counts.sum(axis=1) - 2 * counts.diagonal()
    return np.sort(np.argsort(-mistakes, kind="stable")[:most])
