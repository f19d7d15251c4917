"""A trained classifier and its results, for metrics.json."""

import resource
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedette_edge.head.calibration import Threshold
from vedette_edge.head.covariance import Floats
from vedette_edge.head.record import HeadRecord
from vedette_edge.model.contract import UNKNOWN, Confidence
from vedette_train.evaluation.calibration import Reliability, measure_chance_error
from vedette_train.evaluation.predictions import Evaluation, compute_wilson_interval
from vedette_train.models.architectures import Model
from vedette_train.run.history import Epoch, find_best
from vedette_train.run.previous import Changes

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


@dataclass(frozen=True, slots=True)
class Results:
    """A trained model and its measurements."""

    trained: Trained
    before: Reliability  # of judged answers other than unknown, without the temperature
    after: Reliability
    threshold: Threshold
    thresholds: Mapping[str, float]  # of labels that have their own
    unknown_scores: Mapping[str, Floats] | None  # of images of none of the classes, by folder
    changes: Changes | None  # since the run that this one started from

    @property
    def confidence(self) -> Confidence:
        """The part of the contract about scores."""
        return Confidence(self.trained.temperature, self.threshold.below, dict(self.thresholds))

    def to_dict(self) -> dict[str, Any]:
        """The content of metrics.json that follows from the model."""
        trained = self.trained
        return {
            "judged_by": "test" if trained.test else OUT_OF_FOLD,
            **_summarize_accuracy("test", trained.test),
            **(_summarize_accuracy("out_of_fold", trained.calibration) if trained.head else {}),
            "baseline_accuracy": trained.judged.baseline,
            **self._summarize_epochs(),
            "calibration": {
                "temperature": trained.temperature,
                "fitted_on": trained.calibrated_on,
                "ece_before": self.before.error,
                "ece_after": self.after.error,
                "ece_by_chance": measure_chance_error(trained.judged.scores[trained.judged.known]),
            },
            "unknown": self._summarize_unknown(),
            **({"changes": asdict(self.changes)} if self.changes else {}),
            "peak_memory_mb": _measure_peak_memory_mb(),
            "per_class": trained.judged.summarize_classes(),
        }

    def _summarize_epochs(self) -> dict[str, Any]:
        history = self.trained.history
        if not history:
            return {}
        kept = find_best(history)
        return {
            "validation_accuracy": kept.val_accuracy,
            "best_epoch": kept.epoch,
            "epochs": len(history),
        }

    def _summarize_unknown(self) -> dict[str, Any]:
        judged, others = self.trained.judged, self.unknown_scores
        answered = self._select_answered(judged.scores)
        accepted = {
            folder: self._select_answered(scores) for folder, scores in (others or {}).items()
        }
        every = np.concatenate(list(accepted.values())) if accepted else None
        return {
            "below": self.threshold.below,
            "below_by_label": dict(self.thresholds),
            "has_output": UNKNOWN in judged.labels,
            "precision_target": self.threshold.precision,
            "precision_reached": self.threshold.reached,
            "test_precision": float(judged.correct[answered].mean()) if answered.any() else None,
            "test_answered": float(answered.mean()),
            "pictures": None if every is None else len(every),
            "false_accepts": None if every is None else float(every.mean()),
            "by_folder": {
                folder: {"pictures": len(some), "false_accepts": float(some.mean())}
                for folder, some in accepted.items()
            },
        }

    def _select_answered(self, scores: Floats) -> NDArray[np.bool_]:
        """True for each row of scores whose best label is a class and reaches its threshold."""
        lowest = {**self.thresholds, UNKNOWN: np.inf}
        labels = self.trained.judged.labels
        below = np.array([lowest.get(label, self.threshold.below) for label in labels])
        return np.asarray(scores.max(axis=1) >= below[scores.argmax(axis=1)])


def _summarize_accuracy(name: str, evaluation: Evaluation | None) -> dict[str, Any]:
    """The share of correct answers with Wilson's 95 % interval."""
    if evaluation is None:
        return dict.fromkeys((f"{name}_accuracy", f"{name}_interval", f"{name}_pictures"))
    return {
        f"{name}_accuracy": evaluation.accuracy,
        f"{name}_interval": list(compute_wilson_interval(evaluation.correct)),
        f"{name}_pictures": len(evaluation.truth),
    }


def _measure_peak_memory_mb() -> float:
    """Peak memory of this process, MB of 10**6 bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6  # bytes on macOS, else KiB
