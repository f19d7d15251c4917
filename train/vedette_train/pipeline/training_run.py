"""The result of training."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vedette_train.config import TrainConfig
from vedette_train.run.folder import REPORT

Model = Any  # a Keras model: keras publishes no types


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """A finished run. Stands for its folder where a function takes a path."""

    folder: Path
    config: TrainConfig
    labels: tuple[str, ...]  # of the model's outputs
    metrics: dict[str, Any]  # the content of metrics.json
    model: Model  # the Keras model; takes bytes, n x height x width x 3, R G B; gives scores

    @property
    def accuracy(self) -> float:
        """0..1, on the test part or, without one, out of fold."""
        accuracy: float = self.metrics[f"{self.judged_by}_accuracy"]
        return accuracy

    @property
    def judged_by(self) -> str:
        """The prefix of the accuracy's metrics: test or out_of_fold."""
        return "test" if self.metrics["judged_by"] == "test" else "out_of_fold"

    @property
    def report(self) -> Path:
        """The page for people."""
        return self.folder / REPORT

    def __fspath__(self) -> str:
        return str(self.folder)
