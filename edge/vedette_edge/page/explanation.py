"""One sentence that says why a label stands, and what would change it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from vedette_edge.log.formatting import format_duration
from vedette_edge.model.contract import UNKNOWN

LEAST = 0.01  # that a score can lack, as it is shown


class Rival(NamedTuple):
    """The label that is nearest to taking over."""

    label: str
    lack: float  # of its smoothed score, 0..1; 0 if only the dwell holds it back
    wait_s: float  # shortest time until it can take over


def explain_label(
    region: Mapping[str, Any], labels: Sequence[str], thresholds: Sequence[float]
) -> str:
    """Explain the label of a region, as the `state` packet has it.

    `thresholds` are the contract's, one a label: below it, none takes over.
    """
    if not region.get("scores"):
        return "No scores: the watch is paused, or they are not finite numbers."
    smoothed = region.get("smoothed")
    if smoothed is None:
        best = max(range(len(labels)), key=region["scores"].__getitem__)
        score = region["scores"][best]
        return f"Each frame is classified alone; this one is {labels[best]} at {score:.2f}."
    stands = f"{region['label']} for {format_duration(region['stands_s'])}"
    if _is_leaving(region, labels, thresholds):
        return f"{stands}, and below its line: unknown in {_find_dwell_left(region):.1f} s."
    rival = find_rival(region, labels, thresholds)
    if not rival:
        return f"{stands}."
    if not rival.lack:
        return f"{stands}; {rival.label} takes over in {rival.wait_s:.1f} s."
    if rival.label == UNKNOWN and region["label"] in labels:
        line = max(region["leave"], thresholds[labels.index(region["label"])])
        return f"{stands}; below {line:.2f} it is given up."
    best = max(range(len(labels)), key=smoothed.__getitem__)
    is_low = region["label"] == UNKNOWN != labels[best]
    reason = ": no smoothed score is high enough" if is_low else ""
    least = f" for {rival.wait_s:.1f} s" if rival.wait_s >= 0.05 else ""
    return f"{stands}{reason}; {rival.label} would need {rival.lack:.2f} more{least}."


def find_rival(
    region: Mapping[str, Any], labels: Sequence[str], thresholds: Sequence[float]
) -> Rival | None:
    """Find the label that lacks least to take over; None if there is no other one."""
    smoothed, label = region["smoothed"], region["label"]
    enters = [
        0.0 if name == UNKNOWN else max(region["enter"], threshold)
        for name, threshold in zip(labels, thresholds, strict=True)
    ]
    rivals = [number for number, name in enumerate(labels) if name != label]
    if not rivals:
        return None
    lacks, best = _list_lacks(smoothed, enters), max(smoothed)
    rival = min(rivals, key=lacks.__getitem__)
    wait_s = _find_wait(best, smoothed[rival], enters[rival], region)
    lead_s = _find_leave(region, labels, thresholds)
    if labels[rival] == UNKNOWN:
        wait_s = min(wait_s, lead_s)
    elif lead_s < wait_s:  # unknown comes first, and stays for its dwell, too
        wait_s = max(wait_s, lead_s + region["dwell"])
    is_next = lacks[rival] <= 0 and smoothed.index(best) == rival
    return Rival(labels[rival], 0.0 if is_next else max(LEAST, lacks[rival]), wait_s)


def _list_lacks(smoothed: Sequence[float], enters: Sequence[float]) -> list[float]:
    """List how much higher each smoothed score must be for its label to take over."""
    best = max(range(len(smoothed)), key=smoothed.__getitem__)
    second = max((*smoothed[:best], *smoothed[best + 1 :]), default=0.0)
    return [
        max(enter, second if number == best else smoothed[best]) - score
        for number, (score, enter) in enumerate(zip(smoothed, enters, strict=True))
    ]


def _find_wait(best: float, score: float, enter: float, region: Mapping[str, Any]) -> float:
    """Find the shortest time in seconds until a label can take over from another.

    As in LabelSmoother: with scores of 1 from now on, after a time t a smoothed score s is
    1 - d * (1 - s) with d = exp(-t / smoothing), and all others are d times what they were.
    """
    left_s = _find_dwell_left(region)
    if not region["smoothing"] or score >= max(enter, best):
        return left_s
    reaches = (1 - enter) / max(1 - score, 1e-6)
    leads = 1 / (1 + best - score)
    decay = max(1e-6, min(1.0, reaches, leads))
    return max(left_s, -float(region["smoothing"]) * math.log(decay))


def _find_leave(
    region: Mapping[str, Any], labels: Sequence[str], thresholds: Sequence[float]
) -> float:
    """Find when the label gives way to unknown if its score is 0 from now on, in seconds."""
    if region["label"] == UNKNOWN or region["label"] not in labels:
        return math.inf
    current = labels.index(region["label"])
    leave = max(region["leave"], thresholds[current])
    if not leave:
        return math.inf
    ratio = max(1.0, region["smoothed"][current] / leave)
    return max(_find_dwell_left(region), float(region["smoothing"]) * math.log(ratio))


def _find_dwell_left(region: Mapping[str, Any]) -> float:
    """Find how long the dwell still keeps the label, in seconds."""
    return max(0.0, float(region["dwell"]) - float(region["stands_s"]))


def _is_leaving(
    region: Mapping[str, Any], labels: Sequence[str], thresholds: Sequence[float]
) -> bool:
    """True if only the dwell keeps the label from giving way to unknown."""
    if region["label"] == UNKNOWN or region["label"] not in labels:
        return False
    smoothed, current = region["smoothed"], labels.index(region["label"])
    best = smoothed.index(max(smoothed))
    enter = 0.0 if labels[best] == UNKNOWN else max(region["enter"], thresholds[best])
    is_taken = smoothed[best] >= enter
    return not is_taken and smoothed[current] < max(region["leave"], thresholds[current])
