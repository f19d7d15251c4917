"""Likely label errors: images that a model without them classifies otherwise."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vedette_edge.model.contract import UNKNOWN
from vedette_train.data.audit import Finding
from vedette_train.evaluation.predictions import Evaluation

MOST_LIKELY = 0.1  # a label with a higher score is not in doubt


@dataclass(frozen=True, slots=True)
class LabelError:
    """An image whose out-of-fold answer is another label."""

    file: str  # relative to the data folder
    label: str  # of its folder
    label_score: float  # of that label, 0..1
    answer: str
    score: float  # of the answer, 0..1
    unknown: float = 0.0  # score of `unknown`, 0..1

    def finding(self) -> Finding:
        """The finding for the audit."""
        detail = (
            f"labelled {self.label} ({self.label_score:.1%}), "
            f"looks like {self.answer} ({self.score:.1%})"
        )
        if self.unknown > self.score:
            detail += f", but more like none of the classes ({self.unknown:.1%})"
        return Finding("label", (self.file,), detail)


def find_label_errors(out_of_fold: Evaluation, files: Sequence[str]) -> list[LabelError]:
    """Images whose own label is unlikely and another one likelier, the least likely first.

    Each answer comes from a head that was not fitted to the image. The order is that of
    self-confidence: Northcutt, Jiang and Chuang, Confident Learning, JAIR 70, 2021. A person has
    to decide: in an ordinary data set about a third of the first twenty are wrong labels.
    """
    labels, truth = out_of_fold.labels, out_of_fold.truth
    known = np.array([label != UNKNOWN for label in labels])
    answers = np.where(known, out_of_fold.scores, -1).argmax(axis=1)
    places, unknown = np.arange(len(truth)), out_of_fold.scores[:, ~known].sum(axis=1)
    own, best = out_of_fold.scores[places, truth], out_of_fold.scores[places, answers]
    doubtful = (answers != truth) & (own < MOST_LIKELY)
    return [
        LabelError(
            files[place],
            labels[truth[place]],
            float(own[place]),
            labels[answers[place]],
            float(best[place]),
            float(unknown[place]),
        )
        for place in np.argsort(own, kind="stable")
        if doubtful[place]
    ]
