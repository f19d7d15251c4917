"""Labels with other thresholds: those that a watch with these thresholds would have had."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette_edge.live.score_history import ENTRY, LARGEST_SCORE, ScoreHistory
from vedette_edge.model.contract import UNKNOWN, Confidence
from vedette_edge.page.what_if import MOST_SPANS, LabelRules, follow_labels
from vedette_edge.watch.smoothing import LabelSmoother, SmoothingConfig

END_S = 1.8e9
RULES = {"enter": 0.5, "leave": 0.3, "dwell": 0.0}


def make_history(
    steps: Sequence[tuple[int, float, int, float]], step_s: float = 1.0
) -> ScoreHistory:
    """A history of one region: for each step the best label, from 1 on, its score, the second."""
    entries = np.zeros((1, len(steps)), ENTRY)
    for number, (best, best_score, second, second_score) in enumerate(steps):
        entries[0, number]["labels"] = best, second
        entries[0, number]["scores"] = np.rint(np.array([best_score, second_score]) * LARGEST_SCORE)
    return ScoreHistory([""], step_s, END_S, entries, RULES)


def make_rules(enter: float, leave: float, dwell_s: float = 0.0) -> LabelRules:
    return LabelRules(("fox", "hen"), (0.0, 0.0), enter, leave, dwell_s)


def scores(count: int) -> st.SearchStrategy[list[float]]:
    """Scores of which at most two are not 0, in steps that 16 bits hold exactly."""
    number = st.integers(0, LARGEST_SCORE)
    pairs = st.tuples(st.permutations(range(count)), number, number)
    return pairs.map(
        lambda it: [
            {it[0][0]: it[1], it[0][1]: it[2]}.get(one, 0) / LARGEST_SCORE for one in range(count)
        ]
    )


@given(
    frames=st.lists(scores(3), min_size=1, max_size=40),
    enter=st.floats(0.05, 1),
    leave=st.floats(0, 1),
    dwell_s=st.sampled_from([0.0, 1.0, 2.5]),
    names=st.sampled_from([("fox", "hen", "cat"), ("fox", UNKNOWN, "cat")]),
    thresholds=st.lists(st.sampled_from([0.0, 0.4, 0.8]), min_size=3, max_size=3),
)
def test_the_labels_are_those_of_a_smoother_that_gets_the_same_scores(
    frames: list[list[float]],
    enter: float,
    leave: float,
    dwell_s: float,
    names: tuple[str, ...],
    thresholds: list[float],
) -> None:
    leave = min(enter, leave)
    confidence = Confidence(1.0, 0.0, dict(zip(names, thresholds, strict=True)))
    config = SmoothingConfig(0.0, enter, leave, dwell_s)
    smoother, expected, steps = LabelSmoother(names, confidence, config), list[str](), []
    for number, frame in enumerate(frames):
        smoother.update(np.array(frame, np.float32), float(number))
        expected.append(smoother.label)
        best, second = np.argsort(np.array(frame, np.float32))[:-3:-1]
        if best != np.array(frame, np.float32).argmax():  # two of the same score
            best, second = second, best
        steps.append((int(best) + 1, frame[best], int(second) + 1, frame[second]))
    rules = LabelRules(names, thresholds, enter, leave, dwell_s)
    course = follow_labels(make_history(steps), 0, rules, 0.0)
    begun_s, labels = END_S - len(frames), list[str]()
    for span in course.spans:
        assert span.from_s == begun_s + len(labels)
        labels += [span.label] * round(span.until_s - span.from_s)
    # A float32 may be a line's other neighbour than a float64: such a draw says nothing.
    lines = [max(one, line) for one in thresholds for line in (enter, leave)]
    if not any(abs(score - line) < 1e-6 for frame in frames for score in frame for line in lines):
        assert labels == expected


def test_changes_and_times_are_counted_since_a_time() -> None:
    fox, hen = (1, 0.9, 2, 0.1), (2, 0.7, 1, 0.3)
    history = make_history([fox, fox, hen, hen, hen, fox])
    low = follow_labels(history, 0, make_rules(0.5, 0.3), 0.0)
    assert (low.changes, low.seconds) == (2, {"fox": 3.0, "hen": 3.0})
    high = follow_labels(history, 0, make_rules(0.8, 0.2), 0.0)
    assert (high.changes, high.seconds) == (0, {"fox": 6.0})
    late = follow_labels(history, 0, make_rules(0.5, 0.3), END_S - 2.5)
    assert (late.changes, late.seconds) == (1, {"hen": 1.5, "fox": 1.0})
    assert late.describe()["spans"] == [("hen", END_S - 2, END_S - 1), ("fox", END_S - 1, END_S)]


def test_what_was_not_seen_is_no_label_and_no_change() -> None:
    fox, nothing = (1, 0.9, 2, 0.1), (0, 0.0, 0, 0.0)
    history = make_history([nothing, fox, nothing, nothing, fox, nothing], step_s=2.0)
    course = follow_labels(history, 0, make_rules(0.5, 0.3), 0.0)
    assert [span.label for span in course.spans] == ["fox", "", "fox", ""]
    assert (course.changes, course.seconds) == (0, {"fox": 4.0})
    empty = follow_labels(make_history([nothing] * 5), 0, make_rules(0.5, 0.3), 0.0)
    assert empty.describe() == {"changes": 0, "seconds": {}, "spans": []}


def test_a_restless_day_is_answered_with_its_newest_spans() -> None:
    history = make_history([(1 + number % 2, 0.9, 0, 0.0) for number in range(86_400)])
    course = follow_labels(history, 0, make_rules(0.5, 0.3), 0.0)
    spans = course.describe()["spans"]
    assert isinstance(spans, list)
    assert (course.changes, len(spans)) == (86_399, MOST_SPANS)
    assert spans[-1][2] == END_S


@pytest.mark.parametrize("dwell_s", [0.0, 1.0])
def test_a_label_stays_for_the_dwell(dwell_s: float) -> None:
    history = make_history([(1 + number % 2, 0.9, 0, 0.0) for number in range(10)], step_s=0.5)
    course = follow_labels(history, 0, make_rules(0.5, 0.3, dwell_s), 0.0)
    assert course.changes == (9 if not dwell_s else 3)
