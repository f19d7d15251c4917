"""Labels as they would have been with other thresholds, from the scores of the last 24 hours."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import NamedTuple

import numpy as np

from vedette_edge.live.score_history import LARGEST_SCORE, Entries, ScoreHistory
from vedette_edge.model.contract import UNKNOWN

MOST_SPANS = 1000  # of a region, the newest: more could not be told apart
NOTHING, NO_LABEL = 0, -1  # numbers for no scores, and for `unknown`; others count from 1


@dataclass(frozen=True, slots=True)
class LabelRules:
    """The rules for a change of the label, as LabelSmoother has them."""

    labels: Sequence[str]
    thresholds: Sequence[float]  # the contract's, one a label, 0..1
    enter: float  # score, 0..1
    leave: float  # score, 0..1
    dwell_s: float


class Span(NamedTuple):
    """A label and when it stood, in seconds since the epoch."""

    label: str  # empty while nothing was seen
    from_s: float
    until_s: float


@dataclass(frozen=True, slots=True)
class Course:
    """The labels of a region over a time."""

    spans: Sequence[Span]
    changes: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)  # by label

    def describe(self) -> dict[str, object]:
        """The course as JSON."""
        newest = [(one.label, round(one.from_s), round(one.until_s)) for one in self.spans]
        totals = {label: round(one) for label, one in self.seconds.items()}
        return {"changes": self.changes, "seconds": totals, "spans": newest[-MOST_SPANS:]}


def follow_labels(history: ScoreHistory, region: int, rules: LabelRules, since_s: float) -> Course:
    """Follow the label of a region by some rules, since a time in seconds since the epoch."""
    known = history.entries[region]["labels"][:, 0].nonzero()[0]
    entries = history.entries[region, known[0] if len(known) else len(history.entries[region]) :]
    names = {NOTHING: "", NO_LABEL: UNKNOWN, **dict(enumerate(rules.labels, 1))}
    spans, begun_s = list[Span](), history.end_s - len(entries) * history.step_s
    for number, steps in groupby(_list_numbers(entries, rules, history.step_s)):
        until_s = begun_s + history.step_s * sum(1 for _ in steps)
        if until_s > since_s:
            spans.append(Span(names[number], max(begun_s, since_s), until_s))
        begun_s = until_s
    shown, seconds = [span for span in spans if span.label], defaultdict[str, float](float)
    for span in shown:
        seconds[span.label] += span.until_s - span.from_s
    changes = sum(early.label != late.label for early, late in pairwise(shown))
    return Course(spans, changes, seconds)


def _list_numbers(entries: Entries, rules: LabelRules, step_s: float) -> list[int]:
    """List the number of the label of each step. The same decisions as LabelSmoother's."""
    unknown = rules.labels.index(UNKNOWN) + 1 if UNKNOWN in rules.labels else NO_LABEL
    enters = np.maximum([0.0, *rules.thresholds], rules.enter)
    leaves = np.maximum([0.0, *rules.thresholds], rules.leave)
    enters[max(unknown, 0)] = 0.0
    labels, scores = entries["labels"], entries["scores"] / LARGEST_SCORE
    enters_first = scores[:, 0] >= enters[labels[:, 0]]
    stays = scores >= leaves[labels]
    numbers, label, age_s = list[int](), NOTHING, 0.0
    steps = zip(labels.tolist(), enters_first.tolist(), stays.tolist(), strict=True)
    for (first, second), enters_now, (first_stays, second_stays) in steps:
        if first and (not label or age_s >= rules.dwell_s):
            is_kept = (first == label and first_stays) or (second == label and second_stays)
            new = first if enters_now else label if is_kept else unknown
            label, age_s = new, age_s if new == label else 0.0
        age_s += step_s
        numbers.append(label if first else NOTHING)
    return numbers
