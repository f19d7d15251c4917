"""Compares what two machines made of the same pictures; prints it, ends with 1 if it differs.

    python compare.py HERE.npz THERE.npz    as answers.py wrote them

Inputs must be equal to the byte. Where both have the same runtime, labels must be equal and scores
within two output steps. tflite-runtime and LiteRT round differently: there, what is at least half
sure must keep its label, and the rest is told.
"""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vedette_edge.model.self_test import MOST_STEPS, STEP

LEAST_PICTURES, LEAST_SIZES = 100, 20  # fewer prove little
HALF_SURE = 0.5

Answers = dict[str, NDArray[np.generic]]


def main(here: Answers, there: Answers) -> int:
    """The exit code."""
    assert np.array_equal(here["names"], there["names"]), "they were asked about different pictures"
    sizes = len(np.unique(here["sizes"], axis=0))
    assert len(here["names"]) >= LEAST_PICTURES, f"{len(here['names'])} pictures are too few"
    assert sizes >= LEAST_SIZES, f"{sizes} sizes are too few"
    say(
        f"{len(here['names'])} pictures of {sizes} sizes: "
        f"here, {here['runtime']}, against Arm, {there['runtime']}"
    )
    models = [key.removesuffix(" inputs") for key in here if key.endswith(" inputs")]
    equal = [_equal(model, here, there) for model in models]
    return 0 if equal and all(equal) else 1


def _equal(model: str, here: Answers, there: Answers) -> bool:
    inputs = here[f"{model} inputs"]
    differing = np.count_nonzero(inputs != there[f"{model} inputs"])
    scores, others = (_scores(answers, model) for answers in (here, there))
    relabelled = scores.argmax(axis=1) != others.argmax(axis=1)
    steps = np.abs(scores - others).max(axis=1) / STEP
    far = steps > MOST_STEPS
    say(f"  {model}: {differing} of {inputs.size} input bytes differ")
    say(f"    {np.sum(~relabelled)} of {len(scores)} labels are equal")
    most = f"{steps.max():.1f} steps of 1/256"
    say(f"    scores differ by at most {most}, by over {MOST_STEPS} on {far.sum()}")
    wrong = relabelled | far
    if here["runtime"] != there["runtime"]:
        wrong = relabelled & (scores.max(axis=1) >= HALF_SURE)
    return not differing and not wrong.any()


def _scores(answers: Answers, model: str) -> NDArray[np.float32]:
    return answers[f"{model} scores"].astype(np.float32)


def read(path: str) -> Answers:
    with np.load(Path(path)) as answers:
        return dict(answers)


def say(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main(read(sys.argv[1]), read(sys.argv[2])))
