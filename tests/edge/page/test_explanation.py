"""The sentence that explains a label, compared with the rules that make it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from vedette_edge.model.contract import Confidence
from vedette_edge.page.explanation import explain_label, find_rival
from vedette_edge.watch.smoothing import LabelSmoother, SmoothingConfig

STEP_S = 0.005
RULES = {"enter": 0.5, "leave": 0.35, "dwell": 1.0, "smoothing": 1.0}
LABELS = ("fox", "hen", "owl")

shares = st.floats(0, 1, width=32)
lines = st.floats(0, 0.95)  # a score of 1 is never reached
times = st.floats(0.1, 2)


def describe(smoother: LabelSmoother, now_s: float) -> dict[str, Any]:
    smoothed = smoother.smoothed
    assert smoothed is not None
    return {
        "label": smoother.label,
        "stands_s": now_s - smoother.since_s,
        "scores": smoothed.tolist(),
        "smoothed": smoothed.tolist(),
        **smoother.rules,
    }


@given(
    st.lists(shares, min_size=2, max_size=6),
    st.booleans(),
    st.tuples(lines, lines),
    times,
    times,
    st.floats(0, 3),
)
def test_a_rival_takes_over_as_soon_as_it_is_said(
    weights: list[float],
    knows_unknown: bool,
    thresholds: tuple[float, float],
    dwell_s: float,
    smoothing_s: float,
    stands_s: float,
) -> None:
    assume(sum(weights) > 0.01)
    labels = [f"label {number}" for number in range(len(weights))]
    if knows_unknown:
        labels[-1] = "unknown"
    enter, leave = max(thresholds), min(thresholds)
    config = SmoothingConfig(smoothing_s, enter, leave, dwell_s)
    smoother = LabelSmoother(tuple(labels), Confidence(1.0, 0.0), config)
    scores = np.array(weights, np.float32) / np.float32(sum(weights))
    smoother.update(scores, 0.0)
    smoother.update(scores, stands_s)
    region = describe(smoother, stands_s)
    rival = find_rival(region, labels, [0.0] * len(labels))
    if rival is None or rival.wait_s > 20 or rival.label == "unknown":
        return
    alone = np.eye(len(labels), dtype=np.float32)[labels.index(rival.label)]
    now_s = stands_s
    while smoother.label != rival.label and now_s < stands_s + 25:
        now_s += STEP_S
        smoother.update(alone, now_s)
    assert now_s - stands_s == pytest.approx(rival.wait_s, abs=0.05)


@pytest.mark.parametrize(
    ("label", "stands_s", "smoothed", "sentence"),
    [
        ("fox", 4.2, (0.6, 0.29, 0.1), "fox for 4 s; hen would need 0.31 more for 0.4 s."),
        ("fox", 4.2, (0.4, 0.1, 0.1), "fox for 4 s; hen would need 0.40 more for 1.1 s."),
        ("fox", 0.5, (0.3, 0.6, 0.1), "fox for 0 s; hen takes over in 0.5 s."),
        ("fox", 0.5, (0.3, 0.4, 0.1), "fox for 0 s, and below its line: unknown in 0.5 s."),
        ("fox", 90, (0.5, 0.5, 0.0), "fox for 2 min; hen would need 0.01 more."),
        (
            "unknown",
            7,
            (0.4, 0.3, 0.3),
            "unknown for 7 s: no smoothed score is high enough; "
            "fox would need 0.10 more for 0.2 s.",
        ),
    ],
)
def test_sentences(label: str, stands_s: float, smoothed: Sequence[float], sentence: str) -> None:
    state = {"label": label, "stands_s": stands_s, "scores": [1, 0, 0], "smoothed": list(smoothed)}
    assert explain_label(state | RULES, LABELS, [0.0] * 3) == sentence


def test_frames_that_are_classified_alone_and_none() -> None:
    state = {"label": "", "scores": [0.1, 0.7, 0.2], "smoothed": None}
    sentence = "Each frame is classified alone; this one is hen at 0.70."
    assert explain_label(state, LABELS, [0.0] * 3) == sentence
    assert "paused" in explain_label({"label": "fox", "scores": None}, LABELS, [0.0] * 3)
