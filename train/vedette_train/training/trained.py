"""A trained classifier, and its answers by which it is calibrated and judged."""

from collections.abc import Sequence
from dataclasses import dataclass

from vedette_edge.head.record import HeadRecord
from vedette_train.evaluation.predictions import Evaluation
from vedette_train.models.architectures import Model
from vedette_train.run.history import Epoch

OUT_OF_FOLD = "out of fold"


@dataclass(frozen=True, slots=True)
class Trained:
    """A classifier as it is kept: its scores are calibrated."""

    model: Model  # pictures -> scores
    temperature: float  # that is divided into its weights
    calibration: Evaluation  # the answers that the temperature comes from, calibrated
    calibrated_on: str  # the part of these pictures, or OUT_OF_FOLD
    test: Evaluation | None  # of the test part, calibrated; None: there is none
    uncalibrated: Evaluation  # the judged answers before the temperature
    history: Sequence[Epoch] = ()  # of gradient descent
    head: HeadRecord | None = None  # None: the head descended together with its network

    @property
    def judged(self) -> Evaluation:
        """The answers that the model is judged by: of the test part, if there is one."""
        return self.test or self.calibration
