"""Golden samples: held-out images in the model file, and the result that each must give."""

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from vedette_edge.errors import ImageError, ModelFileError
from vedette_edge.images import decoding, test_pattern
from vedette_edge.images.image_header import count_pixels, detect_format
from vedette_edge.images.preprocessing import Image

FOLDER = "golden/"  # within the zip of the model file
INDEX = FOLDER + "samples.json"
FORMAT = "vedette-golden-1"
FRAME = "frame-"  # and a number: a test pattern, drawn and not stored
MOST_SAMPLES = 32
LONGEST_TEXT = 300  # characters of a sample's name, hash or label
MOST_PIXELS = 4_000_000  # of a sample's image, times the scans of a progressive JPEG
FORMATS = ("JPEG", "PNG")  # of a sample's image


@dataclass(frozen=True, slots=True)
class Sample:
    """An image, and its result at conversion."""

    name: str  # its file in FOLDER, or FRAME with a number
    picture_sha256: str  # of the decoded image's bytes, R G B, upright
    prepared_sha256: str  # of the model's input
    label: str
    scores: tuple[float, ...]  # in output steps, 0..256, in the order of the labels


def serialize_samples(samples: Sequence[Sample]) -> str:
    """Write samples.json."""
    rows = [asdict(sample) for sample in samples]
    return json.dumps({"format": FORMAT, "samples": rows}, ensure_ascii=False) + "\n"


def parse_samples(text: bytes) -> tuple[Sample, ...]:
    """Read samples.json. Raises ModelFileError if it is not valid."""
    try:
        data = json.loads(text)
        if data["format"] != FORMAT or len(data["samples"]) > MOST_SAMPLES:
            raise ValueError(f"expected {FORMAT!r} and at most {MOST_SAMPLES} samples")
        samples = tuple(map(_parse_sample, data["samples"]))
        if len({sample.name for sample in samples}) < len(samples):
            raise ValueError("two samples of one name")
        return samples
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError) as error:
        raise ModelFileError(f"{INDEX} inside the file is damaged ({error!r:.300})") from error


def _parse_sample(row: Mapping[str, Any]) -> Sample:
    sample = Sample(**{**row, "scores": tuple(map(float, row["scores"]))})
    texts = (sample.name, sample.picture_sha256, sample.prepared_sha256, sample.label)
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("a name, a hash or a label is not a string")
    if max(map(len, texts)) > LONGEST_TEXT:
        raise ValueError(f"a name, a hash or a label of more than {LONGEST_TEXT} characters")
    if not all(map(math.isfinite, sample.scores)):
        raise ValueError("a score is not a number")
    return sample


def read_sample_image(name: str, members: Mapping[str, bytes]) -> Image:
    """Decode or draw a sample's image. Raises ImageError if that fails."""
    if re.fullmatch(FRAME + r"[0-9]{1,4}", name):
        return test_pattern.draw_test_pattern(int(name.removeprefix(FRAME)))
    data = members.get(FOLDER + name, b"")
    if detect_format(data) not in FORMATS:
        raise ImageError("not a JPEG or PNG")
    if (pixels := count_pixels(data)) > MOST_PIXELS:
        raise ImageError(f"{pixels} pixels, but at most {MOST_PIXELS} are decoded")
    return decoding.decode_image(data)


def hash_image(image: Image) -> str:
    """SHA-256 of an image's bytes, in hexadecimal."""
    return hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest()
