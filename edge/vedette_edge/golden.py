"""The self-test: pictures inside the model file, and what must come of them on every machine.

Inputs must match to the byte and labels exactly; scores may differ by two output steps, since
runtimes round differently (one step was seen between tflite-runtime 2.14 and LiteRT 2.3).
"""

import hashlib
import json
import math
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table

from vedette_edge import pictures
from vedette_edge.cameras import synthetic
from vedette_edge.errors import ModelFileError, PictureError, SelfTestError
from vedette_edge.prepare import Picture, prepare

if TYPE_CHECKING:
    from vedette_edge.classifier import Classifier

FOLDER = "golden/"  # within the zip of the model file
INDEX = FOLDER + "samples.json"
FORMAT = "vedette-golden-1"
FRAME = "frame-"  # and a number: a sample that is drawn and not stored, as a camera gives it
MOST_SAMPLES = 32
MOST_PIXELS = 4_000_000  # of a sample's picture, counted again in each scan of a progressive JPEG
MOST_STEPS = 2  # of a score; a step of 8 bits is 1/256
STEP = 1 / 256

# JPEG's markers of a frame, SOF0 to SOF15, after which its height and width follow.
_SCAN = b"\xff\xda"  # SOS: in a scan itself a zero follows each 0xFF
_SIZED = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


@dataclass(frozen=True, slots=True)
class Sample:
    """A picture, and what conversion made of it."""

    name: str  # its file in the model file's folder golden/, or FRAME with a number
    picture_sha256: str  # of the decoded picture's bytes, R G B, upright
    prepared_sha256: str  # of the model's input
    label: str
    scores: tuple[float, ...]  # in output steps, 0..256, in the order of the labels


@dataclass(frozen=True, slots=True)
class Replay:
    """How a sample came out here."""

    name: str
    expected: str  # label
    found: str  # label
    steps: float  # greatest difference of a score, in output steps
    differs: str  # what differs, empty if nothing does


def to_json(samples: Sequence[Sample]) -> str:
    """samples.json."""
    rows = [asdict(sample) for sample in samples]
    return json.dumps({"format": FORMAT, "samples": rows}, ensure_ascii=False) + "\n"


def from_json(text: bytes) -> tuple[Sample, ...]:
    """Read samples.json. Raises ModelFileError for anything else."""
    try:
        data = json.loads(text)
        if data["format"] != FORMAT or len(data["samples"]) > MOST_SAMPLES:
            raise ValueError(f"expected {FORMAT!r} and at most {MOST_SAMPLES} samples")
        found = tuple(map(_sample, data["samples"]))
        if len({sample.name for sample in found}) < len(found):
            raise ValueError("a sample stands twice")
        return found
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError) as error:
        raise ModelFileError(f"{INDEX} inside the file is damaged ({error!r})") from error


def _sample(row: Mapping[str, Any]) -> Sample:
    sample = Sample(**{**row, "scores": tuple(map(float, row["scores"]))})
    texts = (sample.name, sample.picture_sha256, sample.prepared_sha256, sample.label)
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("a name, a hash or a label is no text")
    if not all(map(math.isfinite, sample.scores)):
        raise ValueError("a score is no number")
    return sample


def judge(classifier: "Classifier", replays: Sequence[Replay]) -> None:
    """Raises SelfTestError, saying what differs, unless all came out equal."""
    if bad := [one for one in replays if one.differs]:
        raise SelfTestError(
            f"{classifier.model.path}: this machine does not see what conversion saw: "
            f"{len(bad)} of {len(replays)} samples differ. {bad[0].name}: {bad[0].differs}. "
            "'vedette check' shows them all"
        )
    if not replays:
        raise SelfTestError(f"{classifier.model.path}: carries no samples, so nothing is proved")


def replay(classifier: "Classifier") -> Iterator[Replay]:
    """Take each sample the whole way from its file to its scores."""
    for sample in classifier.model.samples:
        try:
            picture_rgb = picture(sample.name, classifier.model.members)
        except PictureError as error:
            yield Replay(sample.name, sample.label, "", 0.0, f"the picture cannot be read: {error}")
        else:
            yield _compare(sample, picture_rgb, classifier)


def as_table(replays: Sequence[Replay]) -> Table:
    """A line a sample, for a person."""
    head = ("sample", "label", "score off by", "")
    table = Table(*head, box=None, header_style="bold", pad_edge=False)
    for one in replays:
        steps = f"{one.steps:.1f} steps"
        table.add_row(one.name, one.found, steps, one.differs or "equal")
    return table


def as_data(replays: Sequence[Replay]) -> dict[str, object]:
    """The same for a machine."""
    rows = [{**asdict(one), "steps": round(one.steps, 3)} for one in replays]
    return {"equal": bool(rows) and not any(one.differs for one in replays), "samples": rows}


def picture(name: str, members: Mapping[str, bytes]) -> Picture:
    """A sample's picture. Raises PictureError if it cannot be decoded."""
    if re.fullmatch(FRAME + r"[0-9]{1,4}", name):
        return synthetic.picture(int(name.removeprefix(FRAME)))
    data = members.get(FOLDER + name, b"")
    if (found := pixels(data)) > MOST_PIXELS:
        raise PictureError(f"is of {found} pixels, at most {MOST_PIXELS} are decoded")
    return pictures.decode(data)


def pixels(data: bytes) -> int:
    """How many pixels of a PNG or JPEG are to be decoded; raises PictureError for all else.

    A few bytes can hold a picture that fills the memory, or thousands of scans.
    """
    try:
        if pictures.kind(data) == "PNG":
            width, height = struct.unpack_from(">II", data, 16)
            return int(height * width)
        at = 2 if pictures.kind(data) == "JPEG" else len(data)
        while data[at + 1] not in _SIZED:
            at += 2 + struct.unpack_from(">H", data, at + 2)[0]
        height, width = struct.unpack_from(">HH", data, at + 5)
        return int(height * width) * max(1, data.count(_SCAN, at))
    except (struct.error, IndexError) as error:
        raise PictureError("is no whole JPEG or PNG") from error


def digest(picture: Picture) -> str:
    """SHA-256 of a picture's bytes, in hexadecimal."""
    return hashlib.sha256(np.ascontiguousarray(picture).tobytes()).hexdigest()


def _compare(sample: Sample, picture_rgb: Picture, classifier: "Classifier") -> Replay:
    prepared = prepare(picture_rgb, classifier.contract)
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


def _input_difference(sample: Sample, picture_rgb: Picture, prepared: Picture) -> str:
    """What happened to the picture on its way to the model's input."""
    if digest(prepared) == sample.prepared_sha256:
        return ""
    if digest(prepared[..., ::-1]) == sample.prepared_sha256:
        return "the channels of the input are swapped: B, G, R where R, G, B was expected"
    if digest(picture_rgb) == sample.picture_sha256:
        return "the same picture is resized to another input than at conversion"
    return "the picture is decoded to other pixels than at conversion"
