"""Which pictures a model file carries to prove itself by, and what must come of them."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from vedette_convert.evaluation.kernel_check import with_other_kernels
from vedette_convert.run import Photograph, sample_photographs
from vedette_edge.files import read_bounded
from vedette_edge.images import decoding
from vedette_edge.images.preprocessing import Image, preprocess
from vedette_edge.model.classifier import Classifier
from vedette_edge.model.golden_samples import (
    FOLDER,
    FRAME,
    MOST_PIXELS,
    Sample,
    count_pixels,
    hash_image,
    read_sample_image,
)
from vedette_edge.model.input_encoder import encode_bytes
from vedette_edge.model.self_test import STEP

UNUSUAL, HARD, SPREAD = 2, 6, 12  # how many there are at most after each sort
LOOKED_AT = 60  # candidates of each sort
LEAST_LEAD = 6  # output steps by which the best score leads: two on either side turn no answer
MOST_OFF = 1  # output steps between one rounding and another; the self-test allows two
LARGEST_BYTES = 25_000  # of a stored picture
KINDS = ("JPEG", "PNG")  # of files that are stored as they are
LONGEST_SIDE = 3  # times the input's, of a picture that had to be made smaller
QUALITIES = (90, 75, 60, 40, 20)  # of JPEG, tried in this order
MOST_FRAMES = 50  # drawn before one is found that the model is clear about


def select_golden_samples(
    photographs: Sequence[Photograph], scores: Sequence[float], classifier: Classifier
) -> tuple[dict[str, bytes], tuple[Sample, ...]]:
    """Pictures to store, by name, and all samples: a dozen test pictures and a camera frame.

    The pictures are of unusual shape, hard ones, and ones of many classes; the first is stored
    turned, to be put upright by its EXIF orientation. None is among them whose answer another
    runtime's rounding could turn. `scores` are what the photographs' best labels have, 0..1.
    """
    steady, chosen = _Steady(classifier), dict[Path, bytes]()
    for full, candidates in _sorts(photographs, scores):
        for one in candidates[:LOOKED_AT]:
            if len(chosen) < full and one.file not in chosen:
                data = _stored(one, classifier, turned=not chosen)
                if steady(decoding.decode_image(data)):
                    chosen[one.file] = data
    files = {f"{place:02}{_ending(data)}": data for place, data in enumerate(chosen.values())}
    return files, samples(files, classifier)


def _sorts(
    photographs: Sequence[Photograph], scores: Sequence[float]
) -> Iterator[tuple[int, list[Photograph]]]:
    """How many to take of which photographs, the most wanted first."""
    spread = sample_photographs(photographs, LOOKED_AT)
    yield UNUSUAL, sorted(spread[:LOOKED_AT], key=_squareness)
    yield HARD, [photographs[place] for place in np.argsort(scores, kind="stable")]
    yield SPREAD, spread


def _squareness(photograph: Photograph) -> float:
    height, width, _ = photograph.read().shape
    return float(min(height, width) / max(height, width))


class _Steady:
    """Tells whether a picture's scores are about the same wherever numbers are rounded."""

    def __init__(self, classifier: Classifier) -> None:
        self._classifier, self._feed = classifier, encode_bytes(classifier.network.input)
        self._others = with_other_kernels(classifier.model.data)

    def __call__(self, picture_rgb: Image) -> bool:
        given = self._feed(preprocess(picture_rgb, self._classifier.contract))
        found = self._classifier.classify(picture_rgb)
        (_, first), (_, second) = found.top(2)
        return first - second >= LEAST_LEAD * STEP and all(
            np.abs(other.output.values(other.run(given)[0]) - found.scores).max() <= MOST_OFF * STEP
            for other in self._others
        )


def samples(files: Mapping[str, bytes], classifier: Classifier) -> tuple[Sample, ...]:
    """What the model makes of pictures, by name, and of the first drawn frame it is clear about."""
    members = {FOLDER + name: data for name, data in files.items()}
    names = [*files, *_frame(_Steady(classifier))]
    return tuple(_sample(name, read_sample_image(name, members), classifier) for name in names)


def _frame(steady: "_Steady") -> list[str]:
    """The first drawn frame that is steady, if any of some is."""
    names = (f"{FRAME}{number}" for number in range(MOST_FRAMES))
    return list(islice((name for name in names if steady(read_sample_image(name, {}))), 1))


def _sample(name: str, picture_rgb: Image, classifier: Classifier) -> Sample:
    prepared = preprocess(picture_rgb, classifier.contract)
    found = classifier.score(prepared)
    steps = tuple(round(float(score) / STEP, 2) for score in found.scores)
    return Sample(name, hash_image(picture_rgb), hash_image(prepared), found.label, steps)


def _stored(photograph: Photograph, classifier: Classifier, *, turned: bool) -> bytes:
    """The file itself, or a JPEG of the picture if that is large or to be turned."""
    data = read_bounded(photograph.file)
    if not turned and _is_small(data):
        return data
    picture_rgb = _smaller(photograph.read(), classifier.contract.height * LONGEST_SIDE)
    encoded = b""
    for quality in QUALITIES:
        encoded = turned_jpeg(picture_rgb, quality) if turned else _jpeg(picture_rgb, quality)
        if len(encoded) <= LARGEST_BYTES:
            break
    return encoded


def _is_small(data: bytes) -> bool:
    known = len(data) <= LARGEST_BYTES and decoding.detect_format(data) in KINDS
    return known and count_pixels(data) <= MOST_PIXELS


def _smaller(picture_rgb: Image, longest: int) -> Image:
    height, width, _ = picture_rgb.shape
    shrink = min(1.0, longest / max(height, width))
    size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
    return np.asarray(cv2.resize(picture_rgb, size, interpolation=cv2.INTER_AREA), np.uint8)


def _jpeg(picture_rgb: Image, quality: int) -> bytes:
    picture_bgr = cv2.cvtColor(picture_rgb, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", picture_bgr, (cv2.IMWRITE_JPEG_QUALITY, quality))[1].tobytes()


def turned_jpeg(picture_rgb: Image, quality: int) -> bytes:
    """A JPEG of the picture turned to the left, whose EXIF says to turn it to the right."""
    jpeg = _jpeg(np.rot90(picture_rgb), quality)
    return jpeg[:2] + _ORIENTATION_6 + jpeg[2:]


# An APP1 segment with one tag, 0x0112 (Orientation) = 6, in a little-endian TIFF header.
_TAG = b"\x12\x01\x03\0\x01\0\0\0\x06\0\0\0"
_EXIF = b"Exif\0\0II*\0\x08\0\0\0\x01\0" + _TAG + bytes(4)
_ORIENTATION_6 = b"\xff\xe1" + (len(_EXIF) + 2).to_bytes(2, "big") + _EXIF


def _ending(data: bytes) -> str:
    return "." + decoding.detect_format(data).lower()
