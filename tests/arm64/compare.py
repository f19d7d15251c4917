"""Compares what two machines made of the same pictures; prints it, ends with 1 if it differs.

    python compare.py HERE.npz THERE.npz    as answers.py wrote them

Inputs must be equal to the byte, and labels equal; scores within two output steps where both have
the same runtime. tflite-runtime and LiteRT add up in other orders, so there they are told alone.
"""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vedette_edge.golden import MOST_STEPS, STEP

Answers = dict[str, NDArray[np.generic]]


def main(here: Answers, there: Answers) -> int:
    """The exit code."""
    assert np.array_equal(here["names"], there["names"]), "they were asked about different pictures"
    sizes = len(np.unique(here["sizes"], axis=0))
    say(
        f"{len(here['names'])} pictures of {sizes} sizes: "
        f"here, {here['runtime']}, against Arm, {there['runtime']}"
    )
    models = [key.removesuffix(" inputs") for key in here if key.endswith(" inputs")]
    equal = [_equal(model, here, there) for model in models]
    return 0 if all(equal) else 1


def _equal(model: str, here: Answers, there: Answers) -> bool:
    inputs = here[f"{model} inputs"]
    differing = np.count_nonzero(inputs != there[f"{model} inputs"])
    scores, others = (_scores(answers, model) for answers in (here, there))
    same = np.count_nonzero(scores.argmax(axis=1) == others.argmax(axis=1))
    steps = np.abs(scores - others).max(axis=1) / STEP
    say(
        f"  {model}: {differing} of {inputs.size} input bytes differ, {same} of {len(scores)} "
        f"labels are equal, scores differ by at most {steps.max():.1f} steps of 1/256, "
        f"by more than {MOST_STEPS} on {np.count_nonzero(steps > MOST_STEPS)} pictures"
    )
    near = here["runtime"] != there["runtime"] or steps.max() <= MOST_STEPS
    return bool(differing == 0 and same == len(scores) and near)


def _scores(answers: Answers, model: str) -> NDArray[np.float32]:
    return answers[f"{model} scores"].astype(np.float32)


def read(path: str) -> Answers:
    with np.load(Path(path)) as answers:
        return dict(answers)


def say(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main(read(sys.argv[1]), read(sys.argv[2])))
