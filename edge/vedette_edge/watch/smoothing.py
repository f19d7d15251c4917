"""A stable label from the scores of each frame: smoothing, hysteresis and unknown."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vedette_edge.model.contract import UNKNOWN, Confidence

ROUNDING = np.float32(1e-4)


@dataclass(frozen=True, slots=True)
class SmoothingConfig:
    """Rules for a change of the label. Scores are smoothed, 0..1."""

    smoothing_s: float = 1.0  # time constant of the smoothing; 0: none
    enter: float = 0.5  # a label takes over at this score, or at its threshold if that is higher
    leave: float = 0.35  # the current label is given up below this score; at most `enter`
    dwell_s: float = 1.0  # shortest time that a label stays


@dataclass(frozen=True, slots=True)
class LabelChange:
    """A change from one label to another."""

    label: str  # or `unknown`
    best: str  # the label of the highest smoothed score, even where `label` is unknown
    score: float  # of `best` at the change, smoothed, 0..1
    frame_score: float  # of `best` in the frame of the change alone
    previous: str  # empty at the start
    previous_score: float | None  # the highest that `previous` had; None if it was no output
    lasted_s: float  # duration of the previous label


class LabelSmoother:
    """The label of one region over time. Times are in seconds on the monotonic clock."""

    def __init__(
        self, labels: tuple[str, ...], confidence: Confidence, config: SmoothingConfig
    ) -> None:
        """`confidence` is the contract's: no label enters or stays below its threshold.

        If `unknown` is one of the labels, it enters at any score when it is the best.
        """
        self._labels, self._config = labels, config
        self._thresholds = np.array([confidence.threshold(one) for one in labels], np.float32)
        self.set_thresholds(config.enter, config.leave)
        self._smooth: NDArray[np.float32] | None = None
        self._seen_s = self._since_s = 0.0
        self._highest: float | None = None  # smoothed score of the current label so far
        self.label = ""  # current; empty before the first frame

    def update(self, scores: NDArray[np.float32], now_s: float) -> LabelChange | None:
        """Add the scores of a frame; return the change of the label, if any."""
        smooth = self._smooth_scores(scores, now_s)
        label = self._select_label(smooth)
        stays = self.label and now_s - self._since_s < self._config.dwell_s
        if label == self.label or stays:
            self._note_score(smooth)
            return None
        lasted_s = now_s - self._since_s if self.label else 0.0
        best = int(smooth.argmax())
        change = LabelChange(
            label=label,
            best=self._labels[best],
            score=float(smooth[best]),
            frame_score=float(scores[best]),
            previous=self.label,
            previous_score=self._highest,
            lasted_s=lasted_s,
        )
        self.label, self._since_s, self._highest = label, now_s, None
        self._note_score(smooth)
        return change

    @property
    def score(self) -> float | None:
        """The smoothed score of the current label; None if it has none."""
        if self._smooth is None or self.label not in self._labels:
            return None
        return float(self._smooth[self._labels.index(self.label)])

    def can_reach(self, score: float, until_s: float) -> bool:
        """True if frames up to this time could raise the label's score so far."""
        present = self.score
        if present is None or not self._config.smoothing_s:
            return present is not None
        decay = math.exp(-max(0.0, until_s - self._seen_s) / self._config.smoothing_s)
        return bool(1 + ROUNDING - decay * (1 - present) >= score)

    @property
    def smoothed(self) -> NDArray[np.float32] | None:
        """A copy of the smoothed scores, 0..1; None before the first frame."""
        return None if self._smooth is None else self._smooth.copy()

    @property
    def rules(self) -> dict[str, float]:
        """The rules for a change as they are now, by the names of the watch's settings."""
        config = self._config
        return {
            "enter": config.enter,
            "leave": config.leave,
            "dwell": config.dwell_s,
            "smoothing": config.smoothing_s,
        }

    @property
    def since_s(self) -> float:
        """Time of the frame since which the label stands."""
        return self._since_s

    def set_thresholds(self, enter: float, leave: float) -> None:
        """Use other thresholds from the next frame on. `leave` is at most `enter`."""
        self._same_until_s = -math.inf  # no frame changes the label before
        self._config = replace(self._config, enter=enter, leave=leave)
        self._enter = np.maximum(self._thresholds, np.float32(enter))
        self._leave = np.maximum(self._thresholds, np.float32(leave))
        if UNKNOWN in self._labels:
            self._enter[self._labels.index(UNKNOWN)] = 0.0

    def can_change_by(self, until_s: float) -> bool:
        """True if frames up to this time could change the label, whatever their scores."""
        if until_s >= self._same_until_s:  # else an earlier answer still holds
            self._same_until_s = self._find_earliest_change()
        return until_s >= self._same_until_s

    def _find_earliest_change(self) -> float:
        """Find when the label can change at the earliest.

        As scores are 0 to 1, after a time that lets e^(-dt / smoothing_s) fall to d, a smoothed
        score s is at least d * s and at most 1 - d * (1 - s). Solved for d, with a margin for
        rounding: the largest d at which a label can reach `enter` and be the best, and at which the
        current one can fall below `leave`.
        """
        if self._smooth is None or not self._config.smoothing_s:
            return -math.inf
        smooth = self._smooth
        reaches = (1 + ROUNDING - self._enter) / np.maximum(1 - smooth, ROUNDING)
        leads = (1 + ROUNDING) / (1 + smooth.max() - smooth)
        decays = np.minimum(reaches, leads)
        if self.label in self._labels:
            current = self._labels.index(self.label)
            decays[current] = (self._leave[current] + ROUNDING) / max(smooth[current], ROUNDING)
        decay = min(1.0, float(decays.max()))
        wait_s = -self._config.smoothing_s * math.log(decay)
        return max(self._seen_s + wait_s, self._since_s + self._config.dwell_s)

    def _note_score(self, smooth: NDArray[np.float32]) -> None:
        """Note the score of the current label; `unknown` has none unless it is an output."""
        if self.label in self._labels:
            score = float(smooth[self._labels.index(self.label)])
            self._highest = max(score, self._highest or 0.0)

    def _smooth_scores(self, scores: NDArray[np.float32], now_s: float) -> NDArray[np.float32]:
        """Smooth exponentially over time, independent of the frame rate.

        weight = 1 - exp(-dt / smoothing_s): the discrete form of a first-order low pass.
        """
        if self._smooth is None or not self._config.smoothing_s:
            self._smooth = np.array(scores, np.float32)
        else:
            weight = 1 - math.exp(-max(0.0, now_s - self._seen_s) / self._config.smoothing_s)
            self._smooth += np.float32(weight) * (scores - self._smooth)
        self._seen_s = now_s
        return self._smooth

    def _select_label(self, smooth: NDArray[np.float32]) -> str:
        """Select the label: a new one must reach `enter`, the current one `leave`."""
        best = int(smooth.argmax())
        if smooth[best] >= self._enter[best]:
            return self._labels[best]
        if self.label in self._labels:
            current = self._labels.index(self.label)
            if smooth[current] >= self._leave[current]:
                return self.label
        return UNKNOWN
