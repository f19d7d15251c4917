"""Smoothing: a label enters when it is certain, stays while it may, and gives way to unknown."""

import math
from collections.abc import Sequence

import numpy as np
import pytest

from vedette_edge.model.contract import UNKNOWN, Confidence
from vedette_edge.watch.smoothing import LabelChange, LabelSmoother, SmoothingConfig

LABELS = ("fox", "hen")
ALL = Confidence(temperature=1.0, unknown_below=0.0)  # every score is enough
AT_ONCE = SmoothingConfig(smoothing_s=0, enter=0.5, leave=0.3, dwell_s=0)


def create_scores(fox: float) -> np.ndarray:
    return np.array([fox, 1 - fox], np.float32)


def list_labels(smoother: LabelSmoother, seen: Sequence[tuple[float, float]]) -> list[str]:
    """List the labels after each pair of a time in seconds and a score of fox."""
    labels = []
    for now_s, fox in seen:
        smoother.update(create_scores(fox), now_s)
        labels.append(smoother.label)
    return labels


def test_the_first_frame_brings_a_change_from_nothing() -> None:
    smoother = LabelSmoother(LABELS, ALL, SmoothingConfig())
    change = smoother.update(create_scores(0.9), 10.0)
    score = float(np.float32(0.9))
    assert change == LabelChange("fox", "fox", score, score, "", None, 0.0)
    assert smoother.update(create_scores(0.9), 10.1) is None


def test_a_change_tells_the_duration_of_the_previous_label() -> None:
    smoother = LabelSmoother(LABELS, ALL, SmoothingConfig(smoothing_s=0))
    smoother.update(create_scores(0.9), 10.0)
    change = smoother.update(create_scores(0.1), 14.5)
    assert change
    assert (change.label, change.previous, change.lasted_s) == ("hen", "fox", 4.5)
    assert change.score == pytest.approx(0.9)


def test_a_change_tells_the_highest_score_of_the_label_that_ended() -> None:
    """The score at the turn is close to `enter`, however certain every frame is."""
    smoother = LabelSmoother(LABELS, ALL, SmoothingConfig(smoothing_s=1.0, dwell_s=0))
    scores = [0.99] * 100 + [0.01] * 100 + [0.8] * 100
    updates = [smoother.update(create_scores(fox), at / 10) for at, fox in enumerate(scores)]
    first, second, third = (change for change in updates if change)
    assert second.score == pytest.approx(0.5, abs=0.05)
    highest = [change.previous_score for change in (first, second, third)]
    assert highest == [None, pytest.approx(0.99), pytest.approx(0.99, abs=1e-3)]


def test_unknown_by_its_threshold_has_no_highest_score() -> None:
    smoother = LabelSmoother(LABELS, Confidence(1.0, 0.8), AT_ONCE)
    updates = [smoother.update(create_scores(fox), at) for at, fox in enumerate((0.9, 0.7, 0.95))]
    assert [change.previous_score for change in updates if change] == [
        None,
        pytest.approx(0.9),
        None,
    ]


def test_one_odd_frame_changes_nothing() -> None:
    smoother = LabelSmoother(LABELS, ALL, SmoothingConfig(smoothing_s=1.0, dwell_s=0))
    seen = [(number / 10, 0.95) for number in range(50)] + [(5.0, 0.02), (5.1, 0.95)]
    assert set(list_labels(smoother, seen)) == {"fox"}


def test_smoothing_goes_by_seconds_and_not_by_frames() -> None:
    """A step of the scores arrives after the same time at 2 and at 50 frames a second."""
    for fps in (2, 50):
        smoother = LabelSmoother(
            LABELS, ALL, SmoothingConfig(smoothing_s=2.0, dwell_s=0, leave=0.5)
        )
        seen = [(number / fps, 1.0 if number < 10 * fps else 0.0) for number in range(20 * fps)]
        labels = list_labels(smoother, seen)
        changed_s = labels.index("hen") / fps
        assert changed_s == pytest.approx(10 + 2.0 * np.log(2), abs=1 / fps + 1e-6)


def test_between_leave_and_enter_the_current_label_stays() -> None:
    config = SmoothingConfig(smoothing_s=0, enter=0.7, leave=0.4, dwell_s=0)
    seen = [(0, 0.5), (1, 0.72), (2, 0.5), (3, 0.41), (4, 0.39), (5, 0.5), (6, 0.29)]
    expected = [UNKNOWN, "fox", "fox", "fox", UNKNOWN, UNKNOWN, "hen"]
    assert list_labels(LabelSmoother(LABELS, ALL, config), seen) == expected


def test_a_label_stays_for_its_dwell() -> None:
    config = SmoothingConfig(smoothing_s=0, dwell_s=2.0)
    seen = [(0, 0.9), (1, 0.1), (1.9, 0.1), (2.0, 0.1), (3.9, 0.9), (4.0, 0.9)]
    assert list_labels(LabelSmoother(LABELS, ALL, config), seen) == ["fox"] * 3 + ["hen"] * 2 + [
        "fox"
    ]


def test_below_the_threshold_of_the_contract_it_is_unknown() -> None:
    smoother = LabelSmoother(LABELS, Confidence(1.0, 0.8), AT_ONCE)
    assert list_labels(smoother, [(0, 0.75), (1, 0.85), (2, 0.79)]) == [UNKNOWN, "fox", UNKNOWN]


def test_a_label_with_a_threshold_of_its_own_enters_and_stays_by_it_alone() -> None:
    smoother = LabelSmoother(LABELS, Confidence(1.0, 0.6, {"fox": 0.8}), AT_ONCE)
    seen = [(0, 0.75), (1, 0.85), (2, 0.79), (3, 0.35), (4, 0.45)]
    assert list_labels(smoother, seen) == [UNKNOWN, "fox", UNKNOWN, "hen", UNKNOWN]


def test_a_threshold_of_its_own_below_the_common_one_lets_a_label_in() -> None:
    smoother = LabelSmoother(LABELS, Confidence(1.0, 0.9, {"fox": 0.0}), AT_ONCE)
    assert list_labels(smoother, [(0, 0.6), (1, 0.4), (2, 0.2)]) == ["fox", "fox", UNKNOWN]


def list_changes(seen: Sequence[tuple[float, float, float]]) -> list[str]:
    """List the labels that take over, at one frame a second, for scores of fox, hen and unknown."""
    smoother = LabelSmoother((*LABELS, UNKNOWN), Confidence(1.0, 0.6, {"hen": 0.4}), AT_ONCE)
    updates = [smoother.update(np.array(one, np.float32), now) for now, one in enumerate(seen)]
    return [change.label for change in updates if change]


def test_an_output_named_unknown_takes_over_whenever_it_is_the_best() -> None:
    assert list_changes([(0.7, 0.2, 0.1), (0.1, 0.7, 0.2), (0.29, 0.33, 0.38)]) == [
        "fox", "hen", UNKNOWN,
    ]  # fmt: skip


def test_an_output_named_unknown_needs_no_score_even_where_the_label_could_stay() -> None:
    smoother = LabelSmoother((*LABELS, UNKNOWN), ALL, AT_ONCE)
    for scores, label in (((0.7, 0.2, 0.1), "fox"), ((0.4, 0.15, 0.45), UNKNOWN)):
        smoother.update(np.array(scores, np.float32), 0.0)
        assert smoother.label == label


def test_unknown_by_output_and_by_threshold_are_one_label() -> None:
    output, threshold = (0.1, 0.2, 0.7), (0.55, 0.35, 0.1)
    assert list_changes([output, threshold, output, threshold]) == [UNKNOWN]
    assert list_changes([threshold, output, (0.3, 0.3, 0.4), threshold]) == [UNKNOWN]


def test_a_label_enters_again_after_the_output_unknown_only_by_its_threshold() -> None:
    seen = [(0.7, 0.2, 0.1), (0.45, 0.05, 0.5), (0.55, 0.05, 0.4), (0.65, 0.05, 0.3)]
    assert list_changes(seen) == ["fox", UNKNOWN, "fox"]


def test_unknown_lasts_from_its_first_frame_whatever_brought_it() -> None:
    smoother = LabelSmoother((*LABELS, UNKNOWN), Confidence(1.0, 0.6), AT_ONCE)
    for now_s, one in enumerate([(0.1, 0.2, 0.7), (0.5, 0.4, 0.1), (0.2, 0.1, 0.7)]):
        smoother.update(np.array(one, np.float32), float(now_s))
    change = smoother.update(np.array((0.9, 0.1, 0.0), np.float32), 5.0)
    score, unknown = float(np.float32(0.9)), float(np.float32(0.7))
    assert change == LabelChange("fox", "fox", score, score, UNKNOWN, unknown, 5.0)


def test_a_change_has_the_smoothed_score_and_that_of_its_frame_alone() -> None:
    smoother = LabelSmoother(LABELS, ALL, SmoothingConfig(smoothing_s=1.0, dwell_s=0))
    smoother.update(create_scores(0.0), 0.0)
    change = smoother.update(create_scores(0.97), 1.0)
    assert change
    assert change.score == pytest.approx(0.97 * (1 - math.exp(-1)))
    assert change.frame_score == pytest.approx(0.97)


def test_the_score_of_the_present_label_rises_after_its_change() -> None:
    smoother = LabelSmoother(LABELS, ALL, SmoothingConfig(smoothing_s=1.0, dwell_s=0))
    assert smoother.score is None
    smoother.update(create_scores(0.0), 0.0)
    assert smoother.score == pytest.approx(1.0)  # of hen
    smoother.update(create_scores(0.97), 1.0)
    smoother.update(create_scores(0.97), 4.0)
    assert smoother.label == "fox"
    assert smoother.score == pytest.approx(0.97, abs=0.03)


def test_thresholds_that_are_set_later_count_from_the_next_frame_on() -> None:
    smoother = LabelSmoother(LABELS, ALL, AT_ONCE)
    assert list_labels(smoother, [(0, 0.6)]) == ["fox"]
    smoother.set_thresholds(0.9, 0.7)
    assert list_labels(smoother, [(1, 0.6), (2, 0.8), (3, 0.95), (4, 0.75)]) == [
        UNKNOWN,
        UNKNOWN,
        "fox",
        "fox",
    ]


def test_thresholds_that_are_set_later_leave_those_of_the_contract() -> None:
    smoother = LabelSmoother((*LABELS, UNKNOWN), Confidence(1.0, 0.8), AT_ONCE)
    smoother.set_thresholds(0.3, 0.2)
    for scores, label in (((0.7, 0.2, 0.1), UNKNOWN), ((0.2, 0.1, 0.7), UNKNOWN)):
        smoother.update(np.array(scores, np.float32), 1.0)
        assert smoother.label == label


def test_a_clock_that_stands_still_does_no_harm() -> None:
    smoother = LabelSmoother(LABELS, ALL, SmoothingConfig())
    assert list_labels(smoother, [(5.0, 0.9), (5.0, 0.9), (4.0, 0.9)]) == ["fox"] * 3


def test_a_score_that_reaches_the_threshold_exactly_is_enough() -> None:
    smoother = LabelSmoother(LABELS, ALL, AT_ONCE)
    assert list_labels(smoother, [(0, 0.5)]) == ["fox"]
    smoother = LabelSmoother((*LABELS, "cat"), ALL, AT_ONCE)
    for scores, label in (
        ((0.7, 0.2, 0.1), "fox"),
        ((0.3, 0.4, 0.3), "fox"),
        ((0.29, 0.4, 0.31), UNKNOWN),
    ):
        smoother.update(np.array(scores, np.float32), 0.0)
        assert smoother.label == label


@pytest.mark.parametrize("seed", range(200))
def test_a_label_that_cannot_change_does_not_whatever_comes(seed: int) -> None:
    """Through scores that jump, irregular frames, thresholds of labels, and an output unknown."""
    chance = np.random.default_rng(seed)
    labels = ("a", "b", "c", UNKNOWN)[: 3 + seed % 2]
    config = SmoothingConfig(
        smoothing_s=float(chance.choice([0.3, 1.0, 3.0])),
        enter=float(chance.uniform(0.4, 0.9)),
        leave=float(chance.uniform(0.0, 0.4)),
        dwell_s=float(chance.choice([0.0, 1.0])),
    )
    confidence = Confidence(1.0, float(chance.uniform(0.0, 0.6)), {"a": float(chance.random())})
    smoother = LabelSmoother(labels, confidence, config)
    now_s, safe_until_s, safe_frames, favourite = 0.0, -1.0, 0, 0
    for _ in range(500):
        now_s += float(chance.choice([0.03, 0.1, 0.3]))
        favourite = int(chance.integers(len(labels))) if chance.random() < 0.05 else favourite
        scores = chance.dirichlet(np.where(np.arange(len(labels)) == favourite, 50.0, 0.3))
        if chance.random() < 0.01:
            smoother.set_thresholds(float(chance.uniform(0.4, 0.9)), float(chance.uniform(0, 0.4)))
            safe_until_s = -1.0
        changed = smoother.update(scores.astype(np.float32), now_s)
        if now_s <= safe_until_s:
            safe_frames += 1
            assert not changed
        horizon_s = float(chance.uniform(0.05, 0.5))
        if not smoother.can_change_by(now_s + horizon_s):
            safe_until_s = max(safe_until_s, now_s + horizon_s)
    assert safe_frames > 0 or config.smoothing_s < 1.0
