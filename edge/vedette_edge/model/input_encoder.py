"""Encode a preprocessed image as the content of a model's input tensor."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vedette_edge.images.preprocessing import Image
from vedette_edge.model.interpreter import Tensor

Encoder = Callable[[Image], NDArray[Any]]  # height x width x 3, R G B -> the tensor's content

_CONVERSIONS: Mapping[str, int | None] = {  # overrides.COLOURS; grey is luma by ITU-R BT.601
    "rgb": None,
    "bgr": cv2.COLOR_RGB2BGR,
    "grey": cv2.COLOR_RGB2GRAY,
}


def encode_bytes(input_tensor: Tensor) -> Encoder:
    """An encoder for a graph that normalises: the bytes go in as they are.

    A quantized input has scale 1 and zero point 0, so bytes are 0..255 for either dtype.
    """
    return lambda image_rgb: image_rgb[np.newaxis].astype(input_tensor.dtype, copy=False)


def encode_normalised(
    input_tensor: Tensor, colour: str, mean: Sequence[float], std: Sequence[float]
) -> Encoder:
    """An encoder for any graph: channels in the order of `colour`, each byte looked up."""
    table, conversion = build_table(input_tensor, mean, std)[np.newaxis], _CONVERSIONS[colour]

    def encode(image_rgb: Image) -> NDArray[Any]:
        image = image_rgb if conversion is None else cv2.cvtColor(image_rgb, conversion)
        return np.asarray(cv2.LUT(image, table)).reshape(input_tensor.shape)

    return encode


def build_table(tensor: Tensor, mean: Sequence[float], std: Sequence[float]) -> NDArray[Any]:
    """The value of each byte: 256 x channels, of the tensor's dtype (uint8, int8 or float32).

    (byte - mean) / std, with one number or one per channel, in the tensor's own quantization if
    it has one. Without mean and std, a uint8 tensor takes the byte and int8 the byte minus 128.
    """
    values = np.tile(np.arange(256.0)[:, np.newaxis], tensor.shape[3])
    if mean:
        values = (values - np.array(mean)) / np.array(std)
    if tensor.dtype == "float32":
        return values.astype(np.float32)
    limits = np.iinfo(tensor.dtype)
    steps = np.rint(values / tensor.scale) + tensor.zero_point if mean else values + limits.min
    return steps.clip(limits.min, limits.max).astype(tensor.dtype)
