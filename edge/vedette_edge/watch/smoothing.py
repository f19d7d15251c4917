"""From scores, frame by frame, to a label that stays: smoothed, with hysteresis, or unknown."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vedette_edge.model.contract import UNKNOWN, Confidence


@dataclass(frozen=True, slots=True)
class SmoothingConfig:
    """When a label takes over and when it is given up. Scores are smoothed ones, 0..1."""

    smoothing_s: float = 1.0  # time constant of the smoothing; 0: none
    enter: float = 0.5  # a label takes over from this score on, or its threshold if that is higher
    leave: float = 0.35  # the present label is given up below this
    dwell_s: float = 1.0  # a label stays at least so long


@dataclass(frozen=True, slots=True)
class LabelChange:
    """One label gave way to another."""

    label: str
    score: float  # smoothed, 0..1
    previous: str  # empty at the start
    lasted_s: float  # how long the previous one stood


class LabelSmoother:
    """The state of one region. Times are seconds on the monotonic clock."""

    def __init__(
        self, labels: tuple[str, ...], confidence: Confidence, rules: SmoothingConfig
    ) -> None:
        """`confidence` is the contract's: no label enters or stays below its threshold.

        `unknown` may be one of the labels. It needs no score: it enters whenever it is the best.
        """
        self._labels, self._rules = labels, rules
        thresholds = np.array([confidence.threshold(label) for label in labels], np.float32)
        self._enter = np.maximum(thresholds, np.float32(rules.enter))
        self._leave = np.maximum(thresholds, np.float32(min(rules.leave, rules.enter)))
        if UNKNOWN in labels:
            self._enter[labels.index(UNKNOWN)] = 0.0
        self._smooth: NDArray[np.float32] | None = None
        self._seen_s = self._since_s = 0.0
        self.label = ""  # present; empty before the first frame

    def update(self, scores: NDArray[np.float32], now_s: float) -> LabelChange | None:
        """Take in one frame's scores; gives the change that they bring about, if any."""
        smooth = self._smoothed(scores, now_s)
        label, score = self._wanted(smooth)
        if label == self.label or (self.label and now_s - self._since_s < self._rules.dwell_s):
            return None
        lasted_s = now_s - self._since_s if self.label else 0.0
        change = LabelChange(label, score, self.label, lasted_s)
        self.label, self._since_s = label, now_s
        return change

    def _smoothed(self, scores: NDArray[np.float32], now_s: float) -> NDArray[np.float32]:
        """Exponential smoothing over time, so that the frame rate does not matter.

        weight = 1 - exp(-dt / smoothing_s): the discrete form of a first-order low pass.
        """
        if self._smooth is None or not self._rules.smoothing_s:
            self._smooth = np.array(scores, np.float32)
        else:
            weight = 1 - math.exp(-max(0.0, now_s - self._seen_s) / self._rules.smoothing_s)
            self._smooth += np.float32(weight) * (scores - self._smooth)
        self._seen_s = now_s
        return self._smooth

    def _wanted(self, smooth: NDArray[np.float32]) -> tuple[str, float]:
        """The label that these scores speak for: a new one must enter, the present one may stay."""
        best = int(smooth.argmax())
        if smooth[best] >= self._enter[best]:
            return self._labels[best], float(smooth[best])
        if self.label in self._labels:
            present = self._labels.index(self.label)
            if smooth[present] >= self._leave[present]:
                return self.label, float(smooth[present])
        return UNKNOWN, float(smooth[best])
