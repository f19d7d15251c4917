"""Golden samples: held-out images in the model file, and the result that each must give."""

import hashlib
import json
import math
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from vedette_edge.errors import ImageError, ModelFileError
from vedette_edge.images import decoding, test_pattern
from vedette_edge.images.preprocessing import Image

FOLDER = "golden/"  # within the zip of the model file
INDEX = FOLDER + "samples.json"
FORMAT = "vedette-golden-1"
FRAME = "frame-"  # and a number: a test pattern, drawn and not stored
MOST_SAMPLES = 32
MOST_PIXELS = 4_000_000  # of a sample's image, times the scans of a progressive JPEG
_SCAN = b"\xff\xda"  # SOS; within a scan, a zero follows each 0xFF
# JPEG's markers of a frame, SOF0 to SOF15, which its height and width follow.
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


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
        raise ModelFileError(f"{INDEX} inside the file is damaged ({error!r})") from error


def _parse_sample(row: Mapping[str, Any]) -> Sample:
    sample = Sample(**{**row, "scores": tuple(map(float, row["scores"]))})
    texts = (sample.name, sample.picture_sha256, sample.prepared_sha256, sample.label)
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("a name, a hash or a label is not a string")
    if not all(map(math.isfinite, sample.scores)):
        raise ValueError("a score is not a number")
    return sample


def read_sample_image(name: str, members: Mapping[str, bytes]) -> Image:
    """Decode or draw a sample's image. Raises ImageError if that fails."""
    if re.fullmatch(FRAME + r"[0-9]{1,4}", name):
        return test_pattern.draw_test_pattern(int(name.removeprefix(FRAME)))
    data = members.get(FOLDER + name, b"")
    if (pixels := count_pixels(data)) > MOST_PIXELS:
        raise ImageError(f"{pixels} pixels, but at most {MOST_PIXELS} are decoded")
    return decoding.decode_image(data)


def count_pixels(data: bytes) -> int:
    """Count the pixels that decoding a PNG or JPEG takes. Raises ImageError for other formats.

    A file of a few bytes can hold an image that fills the memory, or thousands of scans.
    """
    try:
        if decoding.detect_format(data) == "PNG":
            width, height = struct.unpack_from(">II", data, 16)
            return int(height * width)
        at = 2 if decoding.detect_format(data) == "JPEG" else len(data)
        while data[at + 1] not in _FRAMES:
            at += 2 + struct.unpack_from(">H", data, at + 2)[0]
        height, width = struct.unpack_from(">HH", data, at + 5)
        return int(height * width) * max(1, data.count(_SCAN, at))
    except (struct.error, IndexError) as error:
        raise ImageError("not a complete JPEG or PNG") from error


def hash_image(image: Image) -> str:
    """SHA-256 of an image's bytes, in hexadecimal."""
    return hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest()
