"""Predictions of a trained model, and their accuracy."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn import metrics

from vedette_edge.model.contract import UNKNOWN


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores of a model for some images, with the truth."""

    truth: NDArray[np.intp]  # index of the correct label of each image
    scores: NDArray[np.float32]  # images x labels, 0..1
    labels: tuple[str, ...]

    @property
    def answers(self) -> NDArray[np.intp]:
        """Index of the best label of each image."""
        return np.asarray(np.argmax(self.scores, axis=1))

    @property
    def correct(self) -> NDArray[np.bool_]:
        """True for each image whose answer is correct."""
        return np.asarray(self.answers == self.truth)

    @property
    def known(self) -> NDArray[np.bool_]:
        """True for each image whose answer is a class, not `unknown`."""
        return np.asarray(np.array(self.labels)[self.answers] != UNKNOWN)

    @property
    def accuracy(self) -> float:
        """Share of correct answers, 0..1."""
        return float(np.mean(self.correct))

    @property
    def baseline(self) -> float:
        """The accuracy of always giving the commonest label, 0..1."""
        return float(np.bincount(self.truth).max() / len(self.truth))

    def count_confusions(self) -> NDArray[np.intp]:
        """The confusion matrix: images by true label (rows) and answer (columns)."""
        labels = range(len(self.labels))
        return np.asarray(metrics.confusion_matrix(self.truth, self.answers, labels=labels))

    def summarize_classes(self) -> dict[str, dict[str, float]]:
        """Precision, recall and f1 (0..1) and the number of pictures by label, for metrics.json."""
        precision, recall, f1, counts = metrics.precision_recall_fscore_support(
            self.truth, self.answers, labels=range(len(self.labels)), zero_division=0.0
        )
        return {
            label: {
                "precision": float(precision[row]),
                "recall": float(recall[row]),
                "f1": float(f1[row]),
                "pictures": int(counts[row]),
            }
            for row, label in enumerate(self.labels)
            if counts[row]  # no image is labelled `unknown`
        }


def compute_wilson_interval(correct: NDArray[np.bool_]) -> tuple[float, float]:
    """Wilson's 95 % interval of the share of correct answers, 0..1."""
    test = binomtest(int(correct.sum()), len(correct))
    interval = test.proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)
