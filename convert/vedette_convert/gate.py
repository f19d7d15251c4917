"""Whether the int8 model may take the float model's place, by what both say of the test part."""

from collections.abc import Sequence
from dataclasses import dataclass

# In whole percent, so that what is just enough is enough.
MOST_LOST = 1  # accuracy
LEAST_AGREEMENT = 95  # over all
LEAST_SURE_AGREEMENT = 99  # where the float model is sure
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
    float_right = sum(answer.float_label == answer.truth for answer in answers)
    int8_right = sum(answer.int8_label == answer.truth for answer in answers)
    return Verdict(
        pictures=len(answers),
        float_accuracy=float_right / len(answers),
        int8_accuracy=int8_right / len(answers),
        agreement=_agreeing(answers) / len(answers),
        sure_pictures=len(sure),
        sure_agreement=_agreeing(sure) / len(sure) if sure else 1.0,
        objections=(
            *_lost(float_right - int8_right, len(answers)),
            *_disagreement(answers, answers, LEAST_AGREEMENT, "over all"),
            *_disagreement(
                answers, sure, LEAST_SURE_AGREEMENT, f"where float is at least {SURE:.0%} sure"
            ),
        ),
    )


def per_class(answers: Sequence[Answer], labels: Sequence[str]) -> dict[str, Verdict]:
    """A verdict for each label that has test pictures, by the truth."""
    by_label = {label: [one for one in answers if one.truth == label] for label in labels}
    return {label: judge(theirs) for label, theirs in by_label.items() if theirs}


def _agreeing(answers: Sequence[Answer]) -> int:
    return sum(answer.float_label == answer.int8_label for answer in answers)


def _lost(pictures: int, count: int) -> list[str]:
    if 100 * pictures <= MOST_LOST * count:
        return []
    lost = 100 * pictures / count
    return [
        f"int8 loses {lost:.1f} points of accuracy ({pictures} of {count} pictures), "
        f"at most {MOST_LOST} may be lost"
    ]


def _disagreement(
    all_answers: Sequence[Answer], judged: Sequence[Answer], least: int, where: str
) -> list[str]:
    agreeing = _agreeing(judged)
    if len(all_answers) < FEWEST_JUDGED or 100 * agreeing >= least * len(judged):
        return []
    return [f"{agreeing / len(judged):.1%} agree {where}, at least {least} % must"]
