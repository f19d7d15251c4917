"""How good a trained model is on the photographs that it never saw."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn import metrics

from vedette_edge.model.contract import UNKNOWN
from vedette_train.data.batches import Batches
from vedette_train.models.architectures import Model


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A model's answers on the test part."""

    truth: NDArray[np.intp]  # index of the right label, a picture each
    scores: NDArray[np.float32]  # pictures x labels, 0..1
    labels: tuple[str, ...]

    @property
    def answers(self) -> NDArray[np.intp]:
        """Index of the best label, a picture each."""
        return np.asarray(np.argmax(self.scores, axis=1))

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether the answer is right, a picture each."""
        return np.asarray(self.answers == self.truth)

    @property
    def named(self) -> NDArray[np.bool_]:
        """True for each picture whose answer is a class, and not `unknown`."""
        return np.asarray(np.array(self.labels)[self.answers] != UNKNOWN)

    @property
    def accuracy(self) -> float:
        """Share of right answers, 0..1."""
        return float(np.mean(self.right))

    def confusion(self) -> NDArray[np.intp]:
        """Pictures by true label (rows) and answer (columns)."""
        return np.asarray(
            metrics.confusion_matrix(self.truth, self.answers, labels=range(len(self.labels)))
        )

    def per_class(self) -> dict[str, dict[str, float]]:
        """Label -> precision, recall, f1 (0..1) and pictures."""
        precision, recall, f1, pictures = metrics.precision_recall_fscore_support(
            self.truth, self.answers, labels=range(len(self.labels)), zero_division=0.0
        )
        return {
            label: {
                "precision": float(precision[row]),
                "recall": float(recall[row]),
                "f1": float(f1[row]),
                "pictures": int(pictures[row]),
            }
            for row, label in enumerate(self.labels)
            if pictures[row]  # there are none of `unknown`
        }


def wilson_interval(right: NDArray[np.bool_]) -> tuple[float, float]:
    """Wilson's 95 % interval for a share of right answers, 0..1."""
    test = binomtest(int(right.sum()), len(right))
    interval = test.proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def evaluate(model: Model, batches: Batches, labels: tuple[str, ...]) -> Evaluation:
    """Ask the model about every picture."""
    answers: list[Any] = []
    truth: list[Any] = []
    for number in range(len(batches)):
        pictures, right = batches[number]
        answers.append(model.predict_on_batch(pictures))
        truth.append(right)
    return Evaluation(np.concatenate(truth), np.concatenate(answers), labels)
