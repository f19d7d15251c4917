"""Likely label errors: pictures that the others of their class contradict."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vedette_edge.contract import UNKNOWN
from vedette_train.audit import Finding
from vedette_train.evaluate import Evaluation

LEAST_SCORE = 0.5  # of an answer that contradicts a label


@dataclass(frozen=True, slots=True)
class LabelError:
    """A picture whose out-of-fold answer is another label."""

    file: str  # relative to the data folder
    label: str  # of its folder
    answer: str
    score: float  # of the answer, 0..1

    def finding(self) -> Finding:
        """The line of the audit."""
        detail = f"labelled {self.label}, looks like {self.answer} ({self.score:.1%})"
        return Finding("label", (self.file,), detail)


def find_label_errors(out_of_fold: Evaluation, files: Sequence[str]) -> list[LabelError]:
    """Pictures that were answered with another label and a high score, the highest first.

    Each answer comes from a head that was not fitted to the picture. It is a list to look at:
    about a third of the first twenty are wrong labels in an ordinary data set.
    """
    answers, best = out_of_fold.answers, out_of_fold.scores.max(axis=1)
    order = np.argsort(-best, kind="stable")
    labels = out_of_fold.labels
    return [
        LabelError(
            files[place],
            labels[out_of_fold.truth[place]],
            labels[answers[place]],
            float(best[place]),
        )
        for place in order[~out_of_fold.right[order]]
        if best[place] >= LEAST_SCORE and labels[answers[place]] != UNKNOWN
    ]
