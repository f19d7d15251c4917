"""Decisions: a label comes when it is sure, stays while it may, and gives way to unknown."""

from collections.abc import Sequence

import numpy as np
import pytest

from vedette_edge.decide import UNKNOWN, Change, Decider, Rules

LABELS = ("fox", "hen")


def scores(fox: float) -> np.ndarray:
    return np.array([fox, 1 - fox], np.float32)


def states(decider: Decider, seen: Sequence[tuple[float, float]]) -> list[str]:
    """The labels after each of some (seconds, score of fox)."""
    found = []
    for now_s, fox in seen:
        decider.decide(scores(fox), now_s)
        found.append(decider.label)
    return found


def test_the_first_frame_brings_a_change_from_nothing() -> None:
    decider = Decider(LABELS, 0.0, Rules())
    change = decider.decide(scores(0.9), 10.0)
    assert change == Change("fox", float(np.float32(0.9)), "", 0.0)
    assert decider.decide(scores(0.9), 10.1) is None


def test_a_change_says_how_long_the_label_before_it_stood() -> None:
    decider = Decider(LABELS, 0.0, Rules(smoothing_s=0))
    decider.decide(scores(0.9), 10.0)
    change = decider.decide(scores(0.1), 14.5)
    assert change
    assert (change.label, change.previous, change.lasted_s) == ("hen", "fox", 4.5)
    assert change.score == pytest.approx(0.9)


def test_one_odd_frame_changes_nothing() -> None:
    decider = Decider(LABELS, 0.0, Rules(smoothing_s=1.0, dwell_s=0))
    seen = [(number / 10, 0.95) for number in range(50)] + [(5.0, 0.02), (5.1, 0.95)]
    assert set(states(decider, seen)) == {"fox"}


def test_smoothing_goes_by_seconds_and_not_by_frames() -> None:
    """A step of the scores arrives after the same time at 2 and at 50 frames a second."""
    for fps in (2, 50):
        decider = Decider(LABELS, 0.0, Rules(smoothing_s=2.0, dwell_s=0, leave=0.5))
        seen = [(number / fps, 1.0 if number < 10 * fps else 0.0) for number in range(20 * fps)]
        found = states(decider, seen)
        changed_s = found.index("hen") / fps
        assert changed_s == pytest.approx(10 + 2.0 * np.log(2), abs=1 / fps + 1e-6)


def test_between_leave_and_enter_the_present_label_stays() -> None:
    rules = Rules(smoothing_s=0, enter=0.7, leave=0.4, dwell_s=0)
    seen = [(0, 0.5), (1, 0.72), (2, 0.5), (3, 0.41), (4, 0.39), (5, 0.5), (6, 0.29)]
    expected = [UNKNOWN, "fox", "fox", "fox", UNKNOWN, UNKNOWN, "hen"]
    assert states(Decider(LABELS, 0.0, rules), seen) == expected


def test_a_label_stays_for_its_dwell() -> None:
    rules = Rules(smoothing_s=0, dwell_s=2.0)
    seen = [(0, 0.9), (1, 0.1), (1.9, 0.1), (2.0, 0.1), (3.9, 0.9), (4.0, 0.9)]
    assert states(Decider(LABELS, 0.0, rules), seen) == ["fox"] * 3 + ["hen"] * 2 + ["fox"]


def test_below_the_contract_s_threshold_it_is_unknown() -> None:
    decider = Decider(LABELS, 0.8, Rules(smoothing_s=0, enter=0.5, leave=0.3, dwell_s=0))
    assert states(decider, [(0, 0.75), (1, 0.85), (2, 0.79)]) == [UNKNOWN, "fox", UNKNOWN]


def test_a_clock_that_stands_still_does_no_harm() -> None:
    decider = Decider(LABELS, 0.0, Rules())
    assert states(decider, [(5.0, 0.9), (5.0, 0.9), (4.0, 0.9)]) == ["fox"] * 3
