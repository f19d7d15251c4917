"""One run of training: what it trains, on what, and the folder for its results."""

from dataclasses import dataclass
from pathlib import Path

from vedette_edge.console import Output
from vedette_train.config import TrainConfig
from vedette_train.data.training_data import TrainingData
from vedette_train.evaluation.unknown_images import UnknownImages
from vedette_train.run.previous import PreviousRun


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """The inputs of a run and its folder. Imports no TensorFlow."""

    config: TrainConfig
    data: TrainingData
    folder: Path
    output: Output
    previous: PreviousRun | None = None  # the run that this one starts from
    unknown_images: UnknownImages | None = None
    resume: bool = False  # continue the interrupted run in the folder
    tensorboard: bool = False  # write logs for TensorBoard
