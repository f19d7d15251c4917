"""The golden samples: images in a model file for the self-test, and their expected results."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from vedette_convert.evaluation.kernel_check import load_with_other_kernels
from vedette_convert.run import Photograph, sample_photographs
from vedette_edge.images import decoding
from vedette_edge.images.encoding import downscale, encode_jpeg
from vedette_edge.images.image_header import count_pixels, detect_format
from vedette_edge.images.preprocessing import Image, preprocess
from vedette_edge.model.classifier import Classifier
from vedette_edge.model.golden_samples import (
    FOLDER,
    FORMATS,
    FRAME,
    MOST_PIXELS,
    Sample,
    hash_image,
    read_sample_image,
)
from vedette_edge.model.input_encoder import encode_bytes
from vedette_edge.model.interpreter import TFLiteModel
from vedette_edge.model.self_test import STEP

UNUSUAL, HARD, SPREAD = 2, 6, 12  # most samples after each kind was added
TRIED = 60  # candidates of each kind
LEAST_LEAD = 6  # output steps of the best score's lead: two on either side turn no answer
MOST_OFF = 1  # output steps between one rounding and another; the self-test allows two
LARGEST_BYTES = 25_000  # of a stored image
LONGEST_SIDE = 3  # times the input's, of an image that was downscaled
QUALITIES = (90, 75, 60, 40, 20)  # of JPEG, tried in this order
MOST_FRAMES = 50  # drawn to find one with a steady answer


def select_golden_samples(
    photographs: Sequence[Photograph], scores: Sequence[float], classifier: Classifier
) -> tuple[dict[str, bytes], tuple[Sample, ...]]:
    """Select a dozen test photographs; returns their files by name, and all samples.

    They are of unusual shape, hard ones, and of many classes; the first is stored rotated, with
    an EXIF orientation that turns it upright. A drawn camera frame is the last sample. None has
    an answer that another runtime's rounding could change. `scores` are of the best labels, 0..1.
    """
    others, chosen = load_with_other_kernels(classifier.model.data), dict[str, bytes]()
    for full, candidates in _rank(photographs, scores):
        for one in candidates[:TRIED]:
            if len(chosen) < full and one.file not in chosen:
                data = _encode(one, classifier, turned=not chosen)
                if _is_steady(decoding.decode_image(data), classifier, others):
                    chosen[one.file] = data
    files = {
        f"{index:02}.{detect_format(data).lower()}": data
        for index, data in enumerate(chosen.values())
    }
    return files, compute_samples(files, classifier)


def _rank(
    photographs: Sequence[Photograph], scores: Sequence[float]
) -> Iterator[tuple[int, list[Photograph]]]:
    """Rank candidates of each kind, best first, with the number of samples after this kind."""
    spread = sample_photographs(photographs, TRIED)
    yield UNUSUAL, sorted(spread[:TRIED], key=_measure_squareness)
    yield HARD, [photographs[index] for index in np.argsort(scores, kind="stable")]
    yield SPREAD, spread


def _measure_squareness(photograph: Photograph) -> float:
    height, width, _ = photograph.read().shape
    return float(min(height, width) / max(height, width))


def _is_steady(image_rgb: Image, classifier: Classifier, others: Sequence[TFLiteModel]) -> bool:
    """True if the best label leads, and all kernels give about the same scores."""
    prepared = preprocess(image_rgb, classifier.contract)
    result = classifier.score(prepared)
    (_, first), (_, second) = result.top(2)
    if first - second < LEAST_LEAD * STEP:
        return False
    tensor = encode_bytes(classifier.network.input)(prepared)
    outputs = (other.output.values(other.run(tensor)[0]) for other in others)
    return all(np.abs(one - result.scores).max() <= MOST_OFF * STEP for one in outputs)


def compute_samples(files: Mapping[str, bytes], classifier: Classifier) -> tuple[Sample, ...]:
    """Compute the samples of encoded images, by name, and of the first steady drawn frame."""
    members = {FOLDER + name: data for name, data in files.items()}
    images = {name: read_sample_image(name, members) for name in files}
    others = load_with_other_kernels(classifier.model.data)
    for name in (f"{FRAME}{number}" for number in range(MOST_FRAMES)):
        frame = read_sample_image(name, {})
        if _is_steady(frame, classifier, others):
            images[name] = frame
            break
    return tuple(_compute_sample(name, image, classifier) for name, image in images.items())


def _compute_sample(name: str, image_rgb: Image, classifier: Classifier) -> Sample:
    prepared = preprocess(image_rgb, classifier.contract)
    result = classifier.score(prepared)
    steps = tuple(round(float(score) / STEP, 2) for score in result.scores)
    return Sample(name, hash_image(image_rgb), hash_image(prepared), result.best, steps)


def _encode(photograph: Photograph, classifier: Classifier, *, turned: bool) -> bytes:
    """Return the file's bytes, or a JPEG if the file is large or must be turned."""
    data = photograph.read_content()
    if not turned and _is_small(data):
        return data
    image_rgb = downscale(photograph.read(), classifier.contract.height * LONGEST_SIDE)
    encode = encode_turned_jpeg if turned else encode_jpeg
    for quality in QUALITIES:
        encoded = encode(image_rgb, quality)
        if len(encoded) <= LARGEST_BYTES:
            break
    return encoded


def _is_small(data: bytes) -> bool:
    known = len(data) <= LARGEST_BYTES and detect_format(data) in FORMATS
    return known and count_pixels(data) <= MOST_PIXELS


def encode_turned_jpeg(image_rgb: Image, quality: int) -> bytes:
    """Encode an image rotated to the left, with an EXIF orientation that rotates it back."""
    jpeg = encode_jpeg(np.rot90(image_rgb), quality)
    return jpeg[:2] + _ORIENTATION_6 + jpeg[2:]


# An APP1 segment with one tag, 0x0112 (Orientation) = 6, in a little-endian TIFF header.
_TAG = b"\x12\x01\x03\0\x01\0\0\0\x06\0\0\0"
_EXIF = b"Exif\0\0II*\0\x08\0\0\0\x01\0" + _TAG + bytes(4)
_ORIENTATION_6 = b"\xff\xe1" + (len(_EXIF) + 2).to_bytes(2, "big") + _EXIF
