"""Results of a run: metrics.json."""

import resource
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedette_edge.head.calibration import Threshold
from vedette_edge.head.discriminant import Floats
from vedette_edge.model.contract import UNKNOWN, Confidence
from vedette_train.evaluation.calibration import Reliability, chance_error
from vedette_train.evaluation.predictions import Evaluation, wilson_interval
from vedette_train.run.history import find_best
from vedette_train.run.previous import Changes
from vedette_train.training.trained import OUT_OF_FOLD, Trained


@dataclass(frozen=True, slots=True)
class Results:
    """Everything that is measured of a trained model."""

    trained: Trained
    before: Reliability  # of the judged answers that are classes, without the temperature
    after: Reliability
    threshold: Threshold
    thresholds: Mapping[str, float]  # of labels with one of their own
    strangers: Floats | None  # scores of pictures of none of the classes
    changes: Changes | None  # since the run that this one began from

    @property
    def confidence(self) -> Confidence:
        """The part of the contract that says how to read scores."""
        return Confidence(self.trained.temperature, self.threshold.below, dict(self.thresholds))

    def metrics(self) -> dict[str, Any]:
        """The content of metrics.json, but for times."""
        trained = self.trained
        return {
            "judged_by": "test" if trained.test else OUT_OF_FOLD,
            **_accuracy("test", trained.test),
            **(_accuracy("out_of_fold", trained.calibration) if trained.head else {}),
            **self._epochs(),
            "calibration": {
                "temperature": trained.temperature,
                "fitted_on": trained.calibrated_on,
                "ece_before": self.before.error,
                "ece_after": self.after.error,
                "ece_by_chance": chance_error(trained.judged.scores[trained.judged.named]),
            },
            "unknown": self._unknown(),
            **({"changes": asdict(self.changes)} if self.changes else {}),
            "peak_memory_mb": _peak_memory_mb(),
            "per_class": trained.judged.per_class(),
        }

    def _epochs(self) -> dict[str, Any]:
        history = self.trained.history
        if not history:
            return {}
        kept = find_best(history)
        return {
            "validation_accuracy": kept.val_accuracy,
            "best_epoch": kept.epoch,
            "epochs": len(history),
        }

    def _unknown(self) -> dict[str, Any]:
        judged, strangers = self.trained.judged, self.strangers
        answered = self._answered(judged.scores)
        return {
            "below": self.threshold.below,
            "below_by_label": dict(self.thresholds),
            "has_output": UNKNOWN in judged.labels,
            "precision_wanted": self.threshold.precision,
            "precision_reached": self.threshold.reached,
            "test_precision": float(judged.right[answered].mean()) if answered.any() else None,
            "test_answered": float(answered.mean()),
            "pictures": None if strangers is None else len(strangers),
            "false_accepts": None if strangers is None else _share(self._answered(strangers)),
        }

    def _answered(self, scores: Floats) -> NDArray[np.bool_]:
        """True for each row of scores whose best label is given."""
        labels = self.trained.judged.labels
        below = np.array(
            [
                np.inf if label == UNKNOWN else self.thresholds.get(label, self.threshold.below)
                for label in labels
            ]
        )
        return np.asarray(scores.max(axis=1) >= below[scores.argmax(axis=1)])


def _share(hits: NDArray[np.bool_]) -> float:
    return float(hits.mean())


def _accuracy(name: str, evaluation: Evaluation | None) -> dict[str, Any]:
    """The share of right answers with Wilson's 95 % interval."""
    if evaluation is None:
        return dict.fromkeys((f"{name}_accuracy", f"{name}_interval", f"{name}_pictures"))
    return {
        f"{name}_accuracy": evaluation.accuracy,
        f"{name}_interval": list(wilson_interval(evaluation.right)),
        f"{name}_pictures": len(evaluation.truth),
    }


def _peak_memory_mb() -> float:
    """The most memory this process has held, in MB of 10**6 bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6  # bytes there, KiB here
