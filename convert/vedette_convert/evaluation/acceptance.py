"""Acceptance of a .tflite in the float model's place, by what both say of the test part."""

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
    """A loss of accuracy that is refused if it is beyond chance too."""

    points: int  # what may be lost; in whole points, so that what is just enough is enough
    level: float  # of the sign test
    pictures: int  # of known truth, from which on the limit holds


LOSS_LIMITS = (LossLimit(1, 0.01, 1), LossLimit(3, 0.05, 300))
LEVEL = 0.01  # of the tests of agreement
MOST_CHANGED = 0.10  # share of other labels, where the truth is known
MOST_CHANGED_UNKNOWN = 0.05  # where it is not
MOST_CHANGED_SURE = 0.01  # where it is not, and the float model is sure
SURE = 0.7  # score


@dataclass(frozen=True, slots=True)
class Answer:
    """The answers of both models to one picture."""

    file: str
    truth: str  # empty where it is not known
    float_label: str
    float_score: float  # 0..1
    tflite_label: str
    tflite_score: float  # 0..1


@dataclass(frozen=True, slots=True)
class Verdict:
    """Shares of the test pictures, 0..1, with 95 % intervals, and what speaks against the .tflite.

    Accuracies are of the pictures of known truth, agreement is of all. None stands where there
    is no such picture.
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
    objections: tuple[str, ...]  # each goes on after the .tflite's name; none: it passes
    meaning: str  # all of it in one sentence for a person, after the .tflite's name


def judge_answers(answers: Sequence[Answer]) -> Verdict:
    """Weigh the answers to at least one test picture.

    A picture is judged by what is known of it. Where its truth is known, what counts is how often
    each model is right, and labels may change between two wrong ones. Where it is not known,
    agreement is all there is, and is held to more. Where both kinds come together, each keeps
    its own rules, and an objection of either is enough.
    """
    known = [one for one in answers if one.truth]
    unknown = [one for one in answers if not one.truth]
    part = " of unknown truth" if known else ""
    float_right = [one.float_label == one.truth for one in known]
    tflite_right = [one.tflite_label == one.truth for one in known]
    lost, gained = lost_and_gained(known)
    agreeing, sure = _agreeing(answers), _agreeing(_sure(answers))
    return Verdict(
        pictures=len(answers),
        known_pictures=len(known),
        float_accuracy=_share(float_right),
        float_accuracy_interval=_interval(float_right),
        tflite_accuracy=_share(tflite_right),
        tflite_accuracy_interval=_interval(tflite_right),
        accuracy_change=(gained - lost) / len(known) if known else None,
        accuracy_change_interval=paired_interval(lost, gained, len(known)) if known else None,
        agreement=sum(agreeing) / len(agreeing),
        agreement_interval=wilson_interval(sum(agreeing), len(agreeing)),
        sure_pictures=len(sure),
        sure_agreement=_share(sure),
        sure_agreement_interval=_interval(sure),
        objections=tuple(_objections(known, unknown, part)),
        meaning="; ".join([*_accuracy_meaning(known), *_agreement_meaning(unknown, part)]),
    )


def per_class(answers: Sequence[Answer], labels: Sequence[str]) -> dict[str, Verdict]:
    """Give a verdict for each label that has test pictures, by the truth."""
    by_label = {label: [one for one in answers if one.truth == label] for label in labels}
    return {label: judge_answers(theirs) for label, theirs in by_label.items() if theirs}


def lost_and_gained(answers: Sequence[Answer]) -> tuple[int, int]:
    """Number of pictures on which only the float model is right, and only the .tflite."""
    disputed = [one for one in answers if one.truth and one.float_label != one.tflite_label]
    lost = sum(one.float_label == one.truth for one in disputed)
    return lost, sum(one.tflite_label == one.truth for one in disputed)


def _objections(known: Sequence[Answer], unknown: Sequence[Answer], part: str) -> Iterator[str]:
    lost, gained = lost_and_gained(known)
    if limit := _exceeded(lost, gained, len(known)):
        yield (
            f"loses {100 * (lost - gained) / len(known):.1f} points of accuracy ({lost - gained} "
            f"of {_pictures(known)}): more than {limit.points}, and beyond chance (sign test, "
            f"{_rounded(sign_test(lost, gained))})"
        )
    for judged, most, where in (
        (known, MOST_CHANGED, ""),
        (unknown, MOST_CHANGED_UNKNOWN, part),
        (_sure(unknown), MOST_CHANGED_SURE, f" of which float is at least {SURE:.0%} sure"),
    ):
        if _changes_too_much(judged, most):
            agreeing = sum(_agreeing(judged)) / len(judged)
            yield (
                f"agrees with float on {agreeing:.1%} of {_pictures(judged)}{where}: significantly "
                f"less than {1 - most:.0%} (binomial test, {_rounded(_p_value(judged, most))})"
            )


def _exceeded(lost: int, gained: int, pictures: int) -> LossLimit | None:
    """The first limit that the loss exceeds beyond chance."""
    for limit in LOSS_LIMITS:
        too_much = 100 * (lost - gained) > limit.points * pictures
        if too_much and pictures >= limit.pictures and sign_test(lost, gained) < limit.level:
            return limit
    return None


def _changes_too_much(answers: Sequence[Answer], most: float) -> bool:
    return _p_value(answers, most) < LEVEL


def _p_value(answers: Sequence[Answer], most: float) -> float:
    """Of so many other labels, or more, if `most` is their true share."""
    agreeing = _agreeing(answers)
    return binomial_tail(len(agreeing) - sum(agreeing), len(agreeing), most)


def _accuracy_meaning(known: Sequence[Answer]) -> Iterator[str]:
    if not known:
        return
    lost, gained = lost_and_gained(known)
    change, refused = gained - lost, _exceeded(lost, gained, len(known))
    if change:
        more = f"{abs(change)} {'more' if change > 0 else 'fewer'}"
        chance = _chance(lost, gained, refused=bool(refused))
        yield f"is right on {more} of {_pictures(known)} than float, which is {chance}"
    else:
        yield f"is right on as many of {_pictures(known)} as float"
    low, _ = paired_interval(lost, gained, len(known))
    if low < 0 and not refused:
        yield f"such a test could have overlooked a loss of up to {-100 * low:.1f} points"
    if _changes_too_much(known, MOST_CHANGED):
        yield "it answers too differently to be the same classifier"


def _chance(lost: int, gained: int, *, refused: bool) -> str:
    """A change in accuracy beside chance, at the level of the first limit."""
    limit = LOSS_LIMITS[0]
    if refused or sign_test(gained, lost) < limit.level:
        return "beyond chance"
    if sign_test(lost, gained) < limit.level:
        return f"beyond chance, but no more than {limit.points} point"
    return "within chance"


def _agreement_meaning(unknown: Sequence[Answer], part: str) -> Iterator[str]:
    if not unknown:
        return
    agreeing = _agreeing(unknown)
    same = f"gives float's label to {sum(agreeing)} of {_pictures(unknown)}{part}"
    low, _ = wilson_interval(sum(agreeing), len(agreeing))
    if _changes_too_much(unknown, MOST_CHANGED_UNKNOWN):
        yield f"{same}, which is too few"
    elif _changes_too_much(_sure(unknown), MOST_CHANGED_SURE):
        yield f"{same}, but too seldom where float is sure"
    else:
        yield f"{same}, which is enough, though true agreement could be as low as {low:.1%}"


def _rounded(p_value: float) -> str:
    return f"p = {p_value:.2g}" if p_value >= 1e-4 else "p < 0.0001"


def _pictures(answers: Sequence[Answer]) -> str:
    # Where there is no test part, the truth of what was learned from does not count.
    part = "test " if answers[0].truth else ""
    return f"{len(answers):,} {part}picture{'s' if len(answers) > 1 else ''}"


def _sure(answers: Sequence[Answer]) -> list[Answer]:
    return [one for one in answers if one.float_score >= SURE]


def _agreeing(answers: Sequence[Answer]) -> list[bool]:
    return [one.float_label == one.tflite_label for one in answers]


def _share(hits: Sequence[bool]) -> float | None:
    return sum(hits) / len(hits) if hits else None


def _interval(hits: Sequence[bool]) -> Interval | None:
    return wilson_interval(sum(hits), len(hits)) if hits else None
