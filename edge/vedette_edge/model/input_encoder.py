"""From a prepared picture to the content of a model's input tensor."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vedette_edge.images.preprocessing import Image
from vedette_edge.model.interpreter import Tensor

Feed = Callable[[Image], NDArray[Any]]  # height x width x 3, R G B -> the input tensor's content


def encode_bytes(given: Tensor) -> Feed:
    """For a graph that normalises.

    A quantized input has scale 1 and zero point 0, so bytes are 0..255 for either dtype.
    """
    return lambda prepared: prepared[np.newaxis].astype(given.dtype, copy=False)


def encode_normalised(
    given: Tensor, colour: str, mean: Sequence[float], std: Sequence[float]
) -> Feed:
    """For anybody's graph: channels in the order of `colour`, each byte turned into a number."""
    table, arranged = number_table(given, mean, std)[np.newaxis], _COLOURS[colour]

    def feed(prepared: Image) -> NDArray[Any]:
        return np.asarray(cv2.LUT(arranged(prepared), table)).reshape(given.shape)

    return feed


def number_table(given: Tensor, mean: Sequence[float], std: Sequence[float]) -> NDArray[Any]:
    """What each byte becomes: 256 x channels, of the tensor's dtype (uint8, int8 or float32).

    (byte - mean) / std with one number or one a channel, put into the tensor's own quantization if
    it has one. Without these, bytes go into a uint8 tensor as they are, into int8 minus 128.
    """
    numbers = np.tile(np.arange(256.0)[:, np.newaxis], given.shape[3])
    if mean:
        numbers = (numbers - np.array(mean)) / np.array(std)
    if given.dtype == "float32":
        return numbers.astype(np.float32)
    limits = np.iinfo(given.dtype)
    steps = np.rint(numbers / given.scale) + given.zero_point if mean else numbers + limits.min
    return steps.clip(limits.min, limits.max).astype(given.dtype)


def _as_bgr(picture_rgb: Image) -> Image:
    return np.asarray(cv2.cvtColor(picture_rgb, cv2.COLOR_RGB2BGR), np.uint8)


def _as_grey(picture_rgb: Image) -> Image:
    """Luma after ITU-R BT.601, rounded as OpenCV does."""
    return np.asarray(cv2.cvtColor(picture_rgb, cv2.COLOR_RGB2GRAY), np.uint8)


_COLOURS: Mapping[str, Callable[[Image], Image]] = {  # said.COLOURS
    "rgb": np.ascontiguousarray,
    "bgr": _as_bgr,
    "grey": _as_grey,
}
