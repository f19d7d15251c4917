"""One sentence that says why a label stands, and what would change it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from vedette_edge.log.formatting import format_duration
from vedette_edge.model.contract import UNKNOWN


def explain_label(
    region: Mapping[str, Any], labels: Sequence[str], thresholds: Sequence[float]
) -> str:
    """Explain the label of a region, as the `state` packet has it.

    `thresholds` are the contract's, one a label: below it, none takes over.
    """
    smoothed = region.get("smoothed")
    if smoothed is None:
        return _explain_alone(region, labels)
    enters = [
        0.0 if name == UNKNOWN else max(region["enter"], threshold)
        for name, threshold in zip(labels, thresholds, strict=True)
    ]
    label = region["label"]
    stands = f"{label} for {format_duration(region['stands_s'])}"
    lacks = _list_lacks(smoothed, enters)
    rivals = [number for number, name in enumerate(labels) if name != label]
    if not rivals:
        return f"{stands}."
    rival = min(rivals, key=lacks.__getitem__)
    wait_s = _find_wait(max(smoothed), smoothed[rival], enters[rival], region)
    if lacks[rival] <= 0:
        return f"{stands}; {labels[rival]} takes over in {wait_s:.1f} s."
    is_low = label == UNKNOWN and labels[max(range(len(labels)), key=smoothed.__getitem__)] != label
    reason = ": no score is high enough" if is_low else ""
    least = f" for {wait_s:.1f} s" if wait_s >= 0.05 else ""
    return f"{stands}{reason}; {labels[rival]} would need {lacks[rival]:.2f} more{least}."


def _explain_alone(region: Mapping[str, Any], labels: Sequence[str]) -> str:
    scores = region.get("scores")
    if not scores:
        return "No scores: the watch is paused, or they are not finite numbers."
    best = max(range(len(labels)), key=scores.__getitem__)
    return f"Each frame is classified alone; this one is {labels[best]} at {scores[best]:.2f}."


def _list_lacks(smoothed: Sequence[float], enters: Sequence[float]) -> list[float]:
    """List how much higher each smoothed score must be for its label to take over."""
    best = max(range(len(smoothed)), key=smoothed.__getitem__)
    second = max((*smoothed[:best], *smoothed[best + 1 :]), default=0.0)
    return [
        max(enter, second if number == best else smoothed[best]) - score
        for number, (score, enter) in enumerate(zip(smoothed, enters, strict=True))
    ]


def _find_wait(best: float, score: float, enter: float, region: Mapping[str, Any]) -> float:
    """Find the shortest time in seconds until a label can take over.

    As in LabelSmoother: with scores of 1 from now on, after a time t a smoothed score s is
    1 - d * (1 - s) with d = exp(-t / smoothing), and all others are d times what they were.
    """
    left_s = max(0.0, float(region["dwell"]) - float(region["stands_s"]))
    if not region["smoothing"] or score >= max(enter, best):
        return left_s
    reaches = (1 - enter) / max(1 - score, 1e-6)
    leads = 1 / (1 + best - score)
    decay = max(1e-6, min(1.0, reaches, leads))
    return max(left_s, -float(region["smoothing"]) * math.log(decay))
