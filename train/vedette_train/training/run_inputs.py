"""The inputs of a run of training, and the folder for its results."""

import time
from dataclasses import dataclass, field
from pathlib import Path

from vedette_edge.console import Output
from vedette_train.config import TrainConfig
from vedette_train.data.training_data import TrainingData
from vedette_train.data.workplace import Workplace
from vedette_train.evaluation.unknown_images import UnknownImages
from vedette_train.run.previous import PreviousRun


@dataclass(frozen=True, slots=True)
class RunInputs:
    """The inputs of a run and its folder. Imports no TensorFlow."""

    config: TrainConfig
    data: TrainingData
    folder: Path
    place: Workplace
    previous: PreviousRun | None = None  # the run that this one starts from
    unknown_images: UnknownImages | None = None
    resume: bool = False  # continue the interrupted run in the folder
    began: float = field(default_factory=time.monotonic)  # s, when the preparation started
    command: str = ""  # as the user typed it, for the report

    @property
    def output(self) -> Output:
        """The terminal of the run."""
        return self.place.output
