"""A trained classifier, and the evaluations that calibrate and judge it."""

from collections.abc import Sequence
from dataclasses import dataclass

from vedette_edge.head.record import HeadRecord
from vedette_train.evaluation.predictions import Evaluation
from vedette_train.models.architectures import Model
from vedette_train.run.history import Epoch

OUT_OF_FOLD = "out of fold"


@dataclass(frozen=True, slots=True)
class Trained:
    """A classifier with calibrated scores."""

    model: Model  # images -> scores
    temperature: float  # its weights are divided by it
    calibration: Evaluation  # of the images that the temperature comes from, calibrated
    calibrated_on: str  # the part of these images, or OUT_OF_FOLD
    test: Evaluation | None  # of the test part, calibrated; None without one
    uncalibrated: Evaluation  # the judged evaluation before the temperature
    history: Sequence[Epoch] = ()  # of gradient descent
    head: HeadRecord | None = None  # None after gradient descent

    @property
    def judged(self) -> Evaluation:
        """The evaluation that judges the model: of the test part, if there is one."""
        return self.test or self.calibration
