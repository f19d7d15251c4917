"""Whether the int8 model may take the float model's place, by what both say of the test part."""

from collections.abc import Sequence
from dataclasses import dataclass

MOST_LOST = 0.01  # accuracy
LEAST_AGREEMENT = 0.95  # over all
LEAST_SURE_AGREEMENT = 0.99  # where the float model is sure
SURE = 0.5  # score
FEWEST_JUDGED = 200  # test pictures from which on agreement is judged


@dataclass(frozen=True, slots=True)
class Answer:
    """What both models say of one test picture."""

    file: str
    truth: str
    float_label: str
    float_score: float  # 0..1
    int8_label: str
    int8_score: float  # 0..1


@dataclass(frozen=True, slots=True)
class Verdict:
    """Shares of the test pictures, 0..1, and what speaks against the int8 model."""

    pictures: int
    float_accuracy: float
    int8_accuracy: float
    agreement: float
    sure_pictures: int
    sure_agreement: float
    objections: tuple[str, ...]  # none: it passes


def judge(answers: Sequence[Answer]) -> Verdict:
    """Weigh the answers to at least one test picture."""
    sure = [answer for answer in answers if answer.float_score >= SURE]
    float_accuracy = _share([answer.float_label == answer.truth for answer in answers])
    int8_accuracy = _share([answer.int8_label == answer.truth for answer in answers])
    agreement, sure_agreement = _agreement(answers), _agreement(sure)
    objections = []
    if float_accuracy - int8_accuracy > MOST_LOST:
        objections.append(
            f"int8 loses {100 * (float_accuracy - int8_accuracy):.1f} points of accuracy, "
            f"at most {100 * MOST_LOST:.0f} may be lost"
        )
    for found, least, where in (
        (agreement, LEAST_AGREEMENT, "over all"),
        (sure_agreement, LEAST_SURE_AGREEMENT, f"where float is at least {SURE:.0%} sure"),
    ):
        if len(answers) >= FEWEST_JUDGED and found < least:
            objections.append(f"{found:.1%} agree {where}, at least {least:.0%} must")
    return Verdict(
        len(answers),
        float_accuracy,
        int8_accuracy,
        agreement,
        len(sure),
        sure_agreement,
        tuple(objections),
    )


def per_class(answers: Sequence[Answer], labels: Sequence[str]) -> dict[str, Verdict]:
    """A verdict for each label that has test pictures, by the truth."""
    by_label = {label: [one for one in answers if one.truth == label] for label in labels}
    return {label: judge(theirs) for label, theirs in by_label.items() if theirs}


def _agreement(answers: Sequence[Answer]) -> float:
    return _share([answer.float_label == answer.int8_label for answer in answers])


def _share(hits: Sequence[bool]) -> float:
    """1 where there is nothing to miss."""
    return sum(hits) / len(hits) if hits else 1.0
