"""Whether a .tflite may take the float model's place, by what both say of the test part."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

# In whole percent, so that what is just enough is enough.
MOST_LOST = 1  # accuracy
LEAST_AGREEMENT = 95  # over all
LEAST_SURE_AGREEMENT = 99  # where the float model is sure
SURE = 0.5  # score
FEWEST_COUNTED = 100  # pictures of known truth from which on one is no more than a point
FEWEST_JUDGED = 200  # test pictures from which on agreement is judged
CHANCE = 0.05  # what is less probable than this is no chance
Z = 1.959964  # standard normal deviate of a 95 % interval


@dataclass(frozen=True, slots=True)
class Answer:
    """What both models say of one test picture."""

    file: str
    truth: str  # empty where it is not known
    float_label: str
    float_score: float  # 0..1
    tflite_label: str
    tflite_score: float  # 0..1


@dataclass(frozen=True, slots=True)
class Verdict:
    """Shares of the test pictures, 0..1, and what speaks against the .tflite."""

    pictures: int
    float_accuracy: float | None  # None: of no picture is the truth known
    tflite_accuracy: float | None
    agreement: float
    sure_pictures: int
    sure_agreement: float
    objections: tuple[str, ...]  # none: it passes
    notes: tuple[str, ...]  # what so few pictures cannot tell


def judge(answers: Sequence[Answer]) -> Verdict:
    """Weigh the answers to at least one test picture."""
    known = [answer for answer in answers if answer.truth]
    sure = [answer for answer in answers if answer.float_score >= SURE]
    return Verdict(
        pictures=len(answers),
        float_accuracy=_share([one.float_label == one.truth for one in known]),
        tflite_accuracy=_share([one.tflite_label == one.truth for one in known]),
        agreement=_agreeing(answers) / len(answers),
        sure_pictures=len(sure),
        sure_agreement=_agreeing(sure) / len(sure) if sure else 1.0,
        objections=tuple(_objections(answers, known, sure)),
        notes=tuple(_notes(answers, known)),
    )


def per_class(answers: Sequence[Answer], labels: Sequence[str]) -> dict[str, Verdict]:
    """A verdict for each label that has test pictures, by the truth."""
    by_label = {label: [one for one in answers if one.truth == label] for label in labels}
    return {label: judge(theirs) for label, theirs in by_label.items() if theirs}


def by_chance(lost: int, gained: int) -> float:
    """How probable so many losses are if a loss were as likely as a gain, 0..1.

    The exact one-sided sign test (for paired answers, McNemar's) on the pictures of which
    just one model is right.
    """
    return at_least(lost, lost + gained, 0.5)


def change_interval(lost: int, gained: int, pictures: int) -> tuple[float, float]:
    """95 % interval of the change in accuracy, -1..1.

    `lost` pictures are right with the float model only, `gained` with the .tflite only. Bonett
    and Price's adjusted Wald interval for paired proportions: Journal of Educational and
    Behavioral Statistics 37 (2012), 479-488.
    """
    gain, loss = (gained + 1) / (pictures + 2), (lost + 1) / (pictures + 2)
    reach = Z * math.sqrt((gain + loss - (gain - loss) ** 2) / (pictures + 2))
    return max(-1.0, gain - loss - reach), min(1.0, gain - loss + reach)


def interval(share: float, pictures: int) -> tuple[float, float]:
    """95 % interval of a share of so many pictures, 0..1, by Wilson's score (1927)."""
    middle = share + Z * Z / (2 * pictures)
    reach = Z * math.sqrt(share * (1 - share) / pictures + (Z / (2 * pictures)) ** 2)
    scale = 1 + Z * Z / pictures
    return max(0.0, (middle - reach) / scale), min(1.0, (middle + reach) / scale)


def lost_and_gained(answers: Sequence[Answer]) -> tuple[int, int]:
    """Of how many pictures only the float model is right, and of how many only the .tflite."""
    disputed = [one for one in answers if one.truth and one.float_label != one.tflite_label]
    lost = sum(one.float_label == one.truth for one in disputed)
    return lost, sum(one.tflite_label == one.truth for one in disputed)


def _objections(
    answers: Sequence[Answer], known: Sequence[Answer], sure: Sequence[Answer]
) -> Iterator[str]:
    yield from _loss(known)
    pictures, where = len(answers), f"where float is at least {SURE:.0%} sure"
    yield from _disagreement(answers, LEAST_AGREEMENT, "over all", pictures)
    yield from _disagreement(sure, LEAST_SURE_AGREEMENT, where, pictures)


def _loss(known: Sequence[Answer]) -> Iterator[str]:
    lost, gained = lost_and_gained(known)
    pictures, count = lost - gained, len(known)
    if 100 * pictures <= MOST_LOST * count:
        return
    told = f"loses {100 * pictures / count:.1f} points of accuracy ({pictures} of {count} pictures)"
    if count >= FEWEST_COUNTED:
        yield f"{told}, at most {MOST_LOST} may be lost"
    elif (chance := by_chance(lost, gained)) < CHANCE:
        yield f"{told}, which is beyond chance (sign test, p = {chance:.2g})"


def _disagreement(judged: Sequence[Answer], least: int, where: str, pictures: int) -> Iterator[str]:
    agreeing, count = _agreeing(judged), len(judged)
    if 100 * agreeing >= least * count:
        return
    if pictures < FEWEST_JUDGED and at_least(count - agreeing, count, 1 - least / 100) >= CHANCE:
        return
    yield f"{agreeing / count:.1%} agree {where}, at least {least} % must"


def _notes(answers: Sequence[Answer], known: Sequence[Answer]) -> Iterator[str]:
    if not known:
        yield "what the pictures show is not known, so agreement alone is judged"
    elif len(known) < FEWEST_COUNTED:
        low, high = change_interval(*lost_and_gained(known), len(known))
        yield (
            f"{len(known)} test pictures cannot tell a small loss of accuracy from chance: it "
            f"changes by {100 * low:+.1f} to {100 * high:+.1f} points (95 % interval). Only a "
            f"loss beyond chance is refused; from {FEWEST_COUNTED} on, any over {MOST_LOST} point"
        )
    if len(answers) < FEWEST_JUDGED:
        yield (
            f"{len(answers)} test pictures are few to judge agreement by: what is missing counts "
            f"only beyond chance; from {FEWEST_JUDGED} on, all of it"
        )


def _agreeing(answers: Sequence[Answer]) -> int:
    return sum(answer.float_label == answer.tflite_label for answer in answers)


def _share(hits: Sequence[bool]) -> float | None:
    return sum(hits) / len(hits) if hits else None


def at_least(hits: int, draws: int, share: float) -> float:
    """The probability of so many hits or more: a binomial distribution's upper tail."""
    return math.fsum(
        math.comb(draws, count) * share**count * (1 - share) ** (draws - count)
        for count in range(hits, draws + 1)
    )
