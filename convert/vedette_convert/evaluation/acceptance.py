"""The gate: refuses a .tflite file that lost accuracy beyond chance, or agrees too little."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vedette_convert.evaluation.statistics import (
    Interval,
    binomial_tail,
    paired_interval,
    sign_test,
    wilson_interval,
)


@dataclass(frozen=True, slots=True)
class LossLimit:
    """A loss of accuracy that is refused if it is also beyond chance."""

    points: int  # that may be lost; whole ones, so that no rounding decides
    level: float  # of the sign test
    pictures: int  # of known truth that the limit needs at least


LOSS_LIMITS = (LossLimit(1, 0.01, 1), LossLimit(3, 0.05, 300))
LEVEL = 0.01  # of the tests of agreement
MOST_CHANGED = 0.10  # share of changed labels, if the truth is known
MOST_CHANGED_UNKNOWN = 0.05  # if it is not
MOST_CHANGED_SURE = 0.01  # if it is not, and the float model is sure
SURE = 0.7  # score


@dataclass(frozen=True, slots=True)
class Answer:
    """The answers of both models to one picture; its fields are the columns of the CSV file."""

    file: str
    truth: str  # empty if unknown
    float_label: str
    float_score: float  # 0..1
    tflite_label: str
    tflite_score: float  # 0..1


Answers = Sequence[Answer]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Shares of the test pictures, 0..1, with 95 % intervals, and objections to the .tflite.

    Accuracies are of the pictures of known truth, agreement is of all. None: no such pictures.
    """

    pictures: int
    known_pictures: int  # of known truth
    float_accuracy: float | None
    float_accuracy_interval: Interval | None
    tflite_accuracy: float | None
    tflite_accuracy_interval: Interval | None
    accuracy_change: float | None  # -1..1, below 0 if the .tflite is worse
    accuracy_change_interval: Interval | None
    agreement: float
    agreement_interval: Interval
    sure_pictures: int
    sure_agreement: float | None
    sure_agreement_interval: Interval | None
    objections: tuple[str, ...]  # each continues the .tflite's name; none: it passes
    meaning: str  # the verdict in a sentence that continues the .tflite's name


def judge_answers(answers: Answers) -> Verdict:
    """Judge the answers to at least one test picture.

    For pictures of known truth, accuracy counts, and one wrong label may change to another. For
    the others only agreement is known, so more of it is required. With pictures of both kinds,
    each kind keeps its rules, and one objection is enough.
    """
    known = [one for one in answers if one.truth]
    unknown = [one for one in answers if not one.truth]
    part = " of unknown truth" if known else ""
    agreeing, sure = _compare_labels(answers), _compare_labels(_select_sure(answers))
    sure_agreement, sure_interval = _measure_share(sure)
    return Verdict(
        len(answers),
        len(known),
        *_measure_share([one.float_label == one.truth for one in known]),
        *_measure_share([one.tflite_label == one.truth for one in known]),
        *_measure_change(known),
        agreement=sum(agreeing) / len(agreeing),
        agreement_interval=wilson_interval(sum(agreeing), len(agreeing)),
        sure_pictures=len(sure),
        sure_agreement=sure_agreement,
        sure_agreement_interval=sure_interval,
        objections=tuple(_find_objections(known, unknown, part)),
        meaning="; ".join([*_describe_accuracy(known), *_describe_agreement(unknown, part)]),
    )


def judge_each_class(answers: Answers, labels: Sequence[str]) -> dict[str, Verdict]:
    """Judge the answers to the pictures of each label that has any, by the truth."""
    by_label = {label: [one for one in answers if one.truth == label] for label in labels}
    return {label: judge_answers(theirs) for label, theirs in by_label.items() if theirs}


def count_lost_and_gained(answers: Answers) -> tuple[int, int]:
    """Count the pictures on which only the float model is right, and only the .tflite."""
    disputed = [one for one in answers if one.truth and one.float_label != one.tflite_label]
    lost = sum(one.float_label == one.truth for one in disputed)
    return lost, sum(one.tflite_label == one.truth for one in disputed)


def _find_objections(known: Answers, unknown: Answers, part: str) -> Iterator[str]:
    lost, gained = count_lost_and_gained(known)
    if limit := _find_exceeded_limit(lost, gained, len(known)):
        yield (
            f"loses {100 * (lost - gained) / len(known):.1f} points of accuracy ({lost - gained} "
            f"of {_format_count(known)}): more than {limit.points}, and beyond chance (sign test, "
            f"{_format_p_value(sign_test(lost, gained))})"
        )
    for judged, most, where in (
        (known, MOST_CHANGED, ""),
        (unknown, MOST_CHANGED_UNKNOWN, part),
        (_select_sure(unknown), MOST_CHANGED_SURE, f" of which float is at least {SURE:.0%} sure"),
    ):
        if (p_value := _compute_p_value(judged, most)) < LEVEL:
            agreeing = sum(_compare_labels(judged)) / len(judged)
            yield (
                f"agrees with float on {agreeing:.1%} of {_format_count(judged)}{where}: "
                f"significantly less than {1 - most:.0%} "
                f"(binomial test, {_format_p_value(p_value)})"
            )


def _find_exceeded_limit(lost: int, gained: int, pictures: int) -> LossLimit | None:
    """Find the first limit that the loss exceeds beyond chance."""
    for limit in LOSS_LIMITS:
        too_much = 100 * (lost - gained) > limit.points * pictures
        if too_much and pictures >= limit.pictures and sign_test(lost, gained) < limit.level:
            return limit
    return None


def _compute_p_value(answers: Answers, most: float) -> float:
    """Compute the p-value of the changed labels if `most` is their true share."""
    agreeing = _compare_labels(answers)
    return binomial_tail(len(agreeing) - sum(agreeing), len(agreeing), most)


def _describe_accuracy(known: Answers) -> Iterator[str]:
    if not known:
        return
    lost, gained = count_lost_and_gained(known)
    change, refused = gained - lost, _find_exceeded_limit(lost, gained, len(known))
    if change:
        more = f"{abs(change)} {'more' if change > 0 else 'fewer'}"
        chance = _describe_chance(lost, gained, refused=bool(refused))
        yield f"is right on {more} of {_format_count(known)} than float, which is {chance}"
    else:
        yield f"is right on as many of {_format_count(known)} as float"
    low, _ = paired_interval(lost, gained, len(known))
    if low < 0 and not refused:
        yield f"such a test could have overlooked a loss of up to {-100 * low:.1f} points"
    if _compute_p_value(known, MOST_CHANGED) < LEVEL:
        yield "it answers too differently to be the same classifier"


def _describe_chance(lost: int, gained: int, *, refused: bool) -> str:
    """Describe a change in accuracy as chance or not, at the level of the first limit."""
    limit = LOSS_LIMITS[0]
    if refused or sign_test(gained, lost) < limit.level:
        return "beyond chance"
    if sign_test(lost, gained) < limit.level:
        return f"beyond chance, but no more than {limit.points} point"
    return "within chance"


def _describe_agreement(unknown: Answers, part: str) -> Iterator[str]:
    if not unknown:
        return
    agreeing = _compare_labels(unknown)
    same = f"gives float's label to {sum(agreeing)} of {_format_count(unknown)}{part}"
    low, _ = wilson_interval(sum(agreeing), len(agreeing))
    if _compute_p_value(unknown, MOST_CHANGED_UNKNOWN) < LEVEL:
        yield f"{same}, which is too few"
    elif _compute_p_value(_select_sure(unknown), MOST_CHANGED_SURE) < LEVEL:
        yield f"{same}, but too seldom where float is sure"
    else:
        yield f"{same}, which is enough, though true agreement could be as low as {low:.1%}"


def _format_p_value(p_value: float) -> str:
    return f"p = {p_value:.2g}" if p_value >= 1e-4 else "p < 0.0001"


def _format_count(answers: Answers) -> str:
    # Without a test part, learned pictures are judged, and their truth does not count.
    part = "test " if answers[0].truth else ""
    return f"{len(answers):,} {part}picture{'s' if len(answers) > 1 else ''}"


def _select_sure(answers: Answers) -> list[Answer]:
    return [one for one in answers if one.float_score >= SURE]


def _compare_labels(answers: Answers) -> list[bool]:
    return [one.float_label == one.tflite_label for one in answers]


def _measure_share(hits: Sequence[bool]) -> tuple[float | None, Interval | None]:
    return (sum(hits) / len(hits), wilson_interval(sum(hits), len(hits))) if hits else (None, None)


def _measure_change(known: Answers) -> tuple[float | None, Interval | None]:
    if not known:
        return None, None
    lost, gained = count_lost_and_gained(known)
    return (gained - lost) / len(known), paired_interval(lost, gained, len(known))
