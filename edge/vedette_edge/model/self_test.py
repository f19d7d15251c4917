"""The self-test: classify the images inside the model file and compare with their results.

Inputs must be equal to the byte and the best labels equal; scores may differ by two output steps,
because runtimes round differently (tflite-runtime 2.14 and LiteRT 2.3 differed by one step).
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from vedette_edge.errors import ImageError, ScoresError, SelfTestError
from vedette_edge.images.preprocessing import Image, preprocess
from vedette_edge.model.classifier import Classifier
from vedette_edge.model.golden_samples import Sample, hash_image, read_sample_image

MOST_STEPS = 2  # of a score; a step of 8 bits is 1/256
STEP = 1 / 256


@dataclass(frozen=True, slots=True)
class Replay:
    """A sample's result on this machine."""

    name: str
    expected: str  # label of the highest score
    actual: str  # the same on this machine; empty if there is none
    steps: float  # largest difference of a score, in output steps
    differs: str  # the difference in words, empty if there is none


def require_equal(classifier: Classifier, replays: Sequence[Replay]) -> None:
    """Raise SelfTestError, naming the first difference, unless all replays are equal."""
    if differing := [one for one in replays if one.differs]:
        first = f"{differing[0].name}: {differing[0].differs}"
        text = f"{count_differences(replays)}. {first}. 'vedette check' lists them all"
        raise SelfTestError(f"{classifier.model.path}: {text}")
    if not replays:
        raise SelfTestError(f"{classifier.model.path}: carries no samples, so nothing is proved")


def count_differences(replays: Sequence[Replay]) -> str:
    """Count the replays that differ, in words; empty if there are none."""
    count = sum(bool(one.differs) for one in replays)
    total = f"{count} of {len(replays)} samples"
    return f"{total} differ from conversion on this machine" if count else ""


def replay_samples(classifier: Classifier) -> Iterator[Replay]:
    """Take each sample all the way from its file to its scores."""
    for sample in classifier.model.samples:
        try:
            image_rgb = read_sample_image(sample.name, classifier.model.members)
        except ImageError as error:
            yield Replay(sample.name, sample.label, "", 0.0, f"the picture cannot be read: {error}")
            continue
        try:
            yield _compare(sample, image_rgb, classifier)
        except ScoresError as error:
            yield Replay(sample.name, sample.label, "", 0.0, str(error))


def to_dict(replays: Sequence[Replay]) -> dict[str, object]:
    """The replays as data for JSON."""
    rows = [{**asdict(one), "steps": round(one.steps, 3)} for one in replays]
    return {"equal": bool(rows) and not any(one.differs for one in replays), "samples": rows}


def _compare(sample: Sample, image_rgb: Image, classifier: Classifier) -> Replay:
    prepared = preprocess(image_rgb, classifier.contract)
    result = classifier.score(prepared)
    if len(sample.scores) != len(result.scores):
        differs = f"{len(sample.scores)} scores, but the model has {len(result.scores)} labels"
        return Replay(sample.name, sample.label, result.best, 0.0, differs)
    steps = float(np.abs(result.scores / STEP - np.array(sample.scores)).max())
    differs = _explain_input_difference(sample, image_rgb, prepared)
    if not differs and result.best != sample.label:
        differs = f"the label is {result.best!r}, expected {sample.label!r}"
    if not differs and steps > MOST_STEPS:
        off, most = steps * STEP, MOST_STEPS * STEP
        differs = f"a score is off by {off:.4f}, at most {most:.4f} is allowed"
    return Replay(sample.name, sample.label, result.best, steps, differs)


def _explain_input_difference(sample: Sample, image_rgb: Image, prepared: Image) -> str:
    """Explain the first step at which the input differs; empty if it is equal."""
    if hash_image(prepared) == sample.prepared_sha256:
        return ""
    if hash_image(prepared[..., ::-1]) == sample.prepared_sha256:
        return "the channels of the input are swapped: B, G, R instead of R, G, B"
    if hash_image(image_rgb) == sample.picture_sha256:
        return "the same picture is resized to another input than at conversion"
    return "the picture is decoded to other pixels than at conversion"
