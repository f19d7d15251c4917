"""What a run came to: metrics.json."""

import resource
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from vedette_train.calibration import Reliability, Threshold, chance_error
from vedette_train.earlier import Changes
from vedette_train.evaluate import Evaluation
from vedette_train.history import Epoch, best


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that was found out about a trained model."""

    history: Sequence[Epoch]
    test: Evaluation  # with the temperature
    temperature: float
    before: Reliability  # of the test part, without the temperature
    after: Reliability
    threshold: Threshold
    strangers: NDArray[np.float32] | None  # best scores of pictures of none of the classes
    changes: Changes | None  # since the run that this one began from

    def metrics(self) -> dict[str, Any]:
        """What metrics.json says of it."""
        kept = best(self.history)
        right, pictures = int(self.test.right.sum()), len(self.test.truth)
        interval = binomtest(right, pictures).proportion_ci(method="wilson")
        return {
            "test_accuracy": self.test.accuracy,
            "test_interval": [float(interval.low), float(interval.high)],  # Wilson's, of 95 %
            "test_pictures": pictures,
            "validation_accuracy": kept.val_accuracy,
            "best_epoch": kept.epoch,
            "epochs": len(self.history),
            "calibration": {
                "temperature": self.temperature,
                "ece_before": self.before.error,
                "ece_after": self.after.error,
                "ece_by_chance": chance_error(self.test.scores),
            },
            "unknown": self._unknown(),
            **({"changes": asdict(self.changes)} if self.changes else {}),
            "peak_memory_mb": _peak_memory_mb(),
            "per_class": self.test.per_class(),
        }

    def _unknown(self) -> dict[str, Any]:
        below = self.threshold.below
        answered = self.test.scores.max(axis=1) >= below
        accepted = None if self.strangers is None else float((self.strangers >= below).mean())
        return {
            "below": below,
            "precision_wanted": self.threshold.precision,
            "precision_reached": self.threshold.reached,
            "test_precision": float(self.test.right[answered].mean()) if answered.any() else None,
            "test_answered": float(answered.mean()),
            "pictures": None if self.strangers is None else len(self.strangers),
            "false_accepts": accepted,
        }


def _peak_memory_mb() -> float:
    """The most memory this process has held, in MB of 10**6 bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6  # bytes there, KiB here
