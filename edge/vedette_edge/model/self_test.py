"""The self-test: pictures inside the model file, and what must come of them on every machine.

Inputs must match to the byte and labels exactly; scores may differ by two output steps, since
runtimes round differently (one step was seen between tflite-runtime 2.14 and LiteRT 2.3).
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
from rich.table import Table

from vedette_edge.errors import ImageError, SelfTestError
from vedette_edge.images.preprocessing import Image, preprocess
from vedette_edge.model.golden_samples import Sample, hash_image, read_sample_image

if TYPE_CHECKING:
    from vedette_edge.model.classifier import Classifier

MOST_STEPS = 2  # of a score; a step of 8 bits is 1/256
STEP = 1 / 256


@dataclass(frozen=True, slots=True)
class Replay:
    """How a sample came out here."""

    name: str
    expected: str  # label
    actual: str  # label
    steps: float  # greatest difference of a score, in output steps
    differs: str  # what differs, empty if nothing does


def require_equal(classifier: "Classifier", replays: Sequence[Replay]) -> None:
    """Raises SelfTestError, saying what differs, unless all came out equal."""
    if bad := [one for one in replays if one.differs]:
        raise SelfTestError(
            f"{classifier.model.path}: this machine does not see what conversion saw: "
            f"{len(bad)} of {len(replays)} samples differ. {bad[0].name}: {bad[0].differs}. "
            "'vedette check' shows them all"
        )
    if not replays:
        raise SelfTestError(f"{classifier.model.path}: carries no samples, so nothing is proved")


def replay_samples(classifier: "Classifier") -> Iterator[Replay]:
    """Take each sample the whole way from its file to its scores."""
    for sample in classifier.model.samples:
        try:
            picture_rgb = read_sample_image(sample.name, classifier.model.members)
        except ImageError as error:
            yield Replay(sample.name, sample.label, "", 0.0, f"the picture cannot be read: {error}")
        else:
            yield _compare(sample, picture_rgb, classifier)


def as_table(replays: Sequence[Replay]) -> Table:
    """A line a sample, for a person."""
    head = ("sample", "label", "score off by", "")
    table = Table(*head, box=None, header_style="bold", pad_edge=False)
    for one in replays:
        steps = f"{one.steps:.1f} steps"
        table.add_row(one.name, one.actual, steps, one.differs or "equal")
    return table


def as_data(replays: Sequence[Replay]) -> dict[str, object]:
    """The same for a machine."""
    rows = [{**asdict(one), "steps": round(one.steps, 3)} for one in replays]
    return {"equal": bool(rows) and not any(one.differs for one in replays), "samples": rows}


def _compare(sample: Sample, picture_rgb: Image, classifier: "Classifier") -> Replay:
    prepared = preprocess(picture_rgb, classifier.contract)
    found = classifier.score(prepared)
    if len(sample.scores) != len(found.scores):
        differs = f"has scores for {len(sample.scores)} labels, the model has {len(found.scores)}"
        return Replay(sample.name, sample.label, found.label, 0.0, differs)
    steps = float(np.abs(found.scores / STEP - np.array(sample.scores)).max())
    differs = _input_difference(sample, picture_rgb, prepared)
    if not differs and found.label != sample.label:
        differs = f"the label is {found.label!r}, expected {sample.label!r}"
    if not differs and not steps <= MOST_STEPS:  # which a score that is no number fails, too
        differs = f"a score is {steps:.1f} output steps off, at most {MOST_STEPS} are allowed"
    return Replay(sample.name, sample.label, found.label, steps, differs)


def _input_difference(sample: Sample, picture_rgb: Image, prepared: Image) -> str:
    """What happened to the picture on its way to the model's input."""
    if hash_image(prepared) == sample.prepared_sha256:
        return ""
    if hash_image(prepared[..., ::-1]) == sample.prepared_sha256:
        return "the channels of the input are swapped: B, G, R where R, G, B was expected"
    if hash_image(picture_rgb) == sample.picture_sha256:
        return "the same picture is resized to another input than at conversion"
    return "the picture is decoded to other pixels than at conversion"
