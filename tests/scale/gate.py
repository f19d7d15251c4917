"""Simulate the gate: the share of models that it refuses, by how much worse they really are.

    .venv/bin/python tests/scale/gate.py [--pictures 60 200 600 3000] [--draws 1000]

The float model is right on 90 % of all pictures that there could be. Of these, int8 gives another
label to a share (`changed`), and is right on so many points fewer (`worse`). As many of the changed
labels as that takes are losses: float is right and int8 is not. The rest are in equal parts losses,
gains and changes from one wrong label to another, so an equal model loses as often as it gains.
With --no-both-wrong the rest are losses and gains alone, which is harder on the gate. A draw is a
test part, each of its pictures by chance of one of these kinds, and its verdict is the gate's own.
"""

import argparse
import sys
from collections.abc import Sequence
from functools import cache

import numpy as np

from vedette_convert.evaluation.acceptance import Answer, judge_answers

FLOAT_ACCURACY = 0.9
CHANGED = (0.03, 0.05, 0.08)
WORSE = (0.0, 0.01, 0.02, 0.03)
LOST = Answer("lost.jpg", "hen", "hen", 0.6, "fox", 0.6)
GAINED = Answer("gained.jpg", "hen", "fox", 0.6, "hen", 0.6)
BOTH_WRONG = Answer("both_wrong.jpg", "hen", "fox", 0.6, "cow", 0.6)
RIGHT = Answer("right.jpg", "hen", "hen", 0.9, "hen", 0.9)
WRONG = Answer("wrong.jpg", "hen", "fox", 0.6, "fox", 0.6)
KINDS = (LOST, GAINED, BOTH_WRONG, RIGHT, WRONG)

EQUAL_DRAWS = 10  # times as many: a thousand cannot tell 0.7 % from 1 %
MOST_EQUAL_REFUSED = 0.01  # at every number of pictures
LEAST_WORST_REFUSED, MANY = 0.95, 3000  # 3 points worse, from so many pictures on


def main(pictures: Sequence[int], draws: int, both_wrong: bool) -> int:
    """Print the table; gives 1 if equal models are refused too often, or bad ones too seldom."""
    print("pictures  changed    equal  1 worse  2 worse  3 worse")  # noqa: T201  what it is for
    failed = False
    for count in pictures:
        for changed in CHANGED:
            equal, *others = (kinds(changed, one, both_wrong) for one in WORSE)
            wrongly = refused(count, equal, EQUAL_DRAWS * draws)
            rightly = [refused(count, one, draws) for one in others]
            cells = "  ".join(f"{share:7.1%}" for share in rightly)
            print(f"{count:8,}  {changed:7.0%}  {wrongly:7.2%}  {cells}", flush=True)  # noqa: T201
            failed |= wrongly > MOST_EQUAL_REFUSED
            failed |= count >= MANY and rightly[-1] <= LEAST_WORST_REFUSED
    return int(failed)


def kinds(changed: float, worse: float, both_wrong: bool) -> list[float]:
    """Probability that a picture is of each of KINDS."""
    part = (changed - worse) / (3 if both_wrong else 2)
    lost, gained, wrong = worse + part, part, part if both_wrong else 0.0
    return [lost, gained, wrong, FLOAT_ACCURACY - lost, 1 - FLOAT_ACCURACY - gained - wrong]


def refused(pictures: int, probabilities: Sequence[float], draws: int) -> float:
    """The share of test parts on which the gate objects."""
    # Each cell of the table has a seed of its own, whichever others are asked for.
    random = np.random.default_rng([pictures, *(round(10**6 * one) for one in probabilities)])
    drawn = random.multinomial(pictures, probabilities, size=draws).tolist()
    return sum(objects(tuple(counts)) for counts in drawn) / draws


@cache
def objects(counts: tuple[int, ...]) -> bool:
    """The gate's verdict on so many pictures of each of KINDS."""
    answers = [kind for kind, count in zip(KINDS, counts, strict=True) for _ in range(count)]
    return bool(judge_answers(answers).objections)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Share of models that the gate refuses")
    parser.add_argument("--pictures", nargs="+", type=int, default=[60, 200, 600, 3000])
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--both-wrong", action=argparse.BooleanOptionalAction, default=True)
    given = parser.parse_args()
    sys.exit(main(given.pictures, given.draws, given.both_wrong))
