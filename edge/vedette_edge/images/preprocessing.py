"""THE preprocessing: the only code that turns an image into a model's input.

Training, calibration, evaluation, one-shot prediction and the live camera call `preprocess`.
Its result is bit-identical on every machine: it uses integer arithmetic, and of OpenCV only
what gives equal bytes on x86-64 and Arm and across versions 4.9 to 5.0. A changed rule gets
a new name in the contract; the old one stays. Only `linear-1` promises no equal bytes: it is
for models of others that were trained with it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from vedette_edge.errors import ImageError

Image = NDArray[np.uint8]  # height x width x 3; R, G, B unless a name says otherwise
Resize = Callable[[Image, int, int], Image]  # image, height, width

LETTERBOX_GREY = 128


class InputSpec(Protocol):
    """The part of a contract that `preprocess` needs."""

    @property
    def height(self) -> int: ...  # px
    @property
    def width(self) -> int: ...  # px
    @property
    def resize_mode(self) -> str: ...  # one of contract.RESIZE_MODES
    @property
    def resize_rule(self) -> str: ...  # one of contract.RESIZE_RULES


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """An InputSpec alone."""

    height: int
    width: int
    resize_mode: str
    resize_rule: str


def preprocess(image_rgb: Image, contract: InputSpec) -> Image:
    """Turn an image into the model's input: uint8, contract.height x contract.width x 3, R G B.

    `image_rgb` is uint8, height x width x 3, upright, of any size from 1 x 1.
    Raises ImageError for anything else.
    """
    if not isinstance(image_rgb, np.ndarray):
        raise ImageError(_explain_type(image_rgb))
    if image_rgb.dtype != np.uint8 or image_rgb.ndim != 3 or image_rgb.shape[2] != 3:
        raise ImageError(
            f"picture is {image_rgb.dtype} of shape {image_rgb.shape}, "
            "expected uint8 of shape (height, width, 3)"
        )
    if 0 in image_rgb.shape:
        raise ImageError(f"picture of shape {image_rgb.shape} has no pixels")
    reshape, resize = _MODES[contract.resize_mode], _RULES[contract.resize_rule]
    return reshape(image_rgb, contract.height, contract.width, resize)


def _explain_type(image: object) -> str:
    expected = "expected a numpy array: uint8 of shape (height, width, 3), R G B"
    if image is None:
        return (
            f"picture is None, {expected}. cv2.imread returns None for a file that it cannot read"
        )
    return f"picture is of type {type(image).__name__}, {expected}"


def _squash(image: Image, height: int, width: int, resize: Resize) -> Image:
    """Stretch the whole image to the input's sides."""
    return resize(image, height, width)


def _crop(image: Image, height: int, width: int, resize: Resize) -> Image:
    """Take the largest part in the middle that has the input's proportions."""
    kept_height, kept_width = _scale_within(height, width, image.shape[0], image.shape[1])
    return resize(_crop_middle(image, kept_height, kept_width), height, width)


def _letterbox(image: Image, height: int, width: int, resize: Resize) -> Image:
    """Put the whole image, in its own proportions, in the middle of grey 128."""
    inner_height, inner_width = _scale_within(image.shape[0], image.shape[1], height, width)
    top, left = (height - inner_height) // 2, (width - inner_width) // 2
    boxed = np.full((height, width, 3), LETTERBOX_GREY, np.uint8)
    inner = resize(image, inner_height, inner_width)
    boxed[top : top + inner_height, left : left + inner_width] = inner
    return boxed


def _scale_within(height: int, width: int, outer_height: int, outer_width: int) -> tuple[int, int]:
    """The largest height and width of the proportions height : width within the outer ones."""
    if outer_height * width < outer_width * height:
        return outer_height, max(1, (outer_height * width + height // 2) // height)
    return max(1, (outer_width * height + width // 2) // width), outer_width


def _crop_middle(image: Image, height: int, width: int) -> Image:
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return image[top : top + height, left : left + width]


def _resize_box_linear_exact_1(image: Image, height: int, width: int) -> Image:
    """Average boxes of whole pixels down to less than twice the size, then exact bilinear.

    The boxes keep small details from aliasing. Rows and columns that fill no whole box are
    left out in equal parts on both sides: less than one pixel of the result.
    """
    rows, columns = max(1, image.shape[0] // height), max(1, image.shape[1] // width)
    if rows > 1 or columns > 1:
        box_height, box_width = image.shape[0] // rows, image.shape[1] // columns
        whole = _crop_middle(image, box_height * rows, box_width * columns)
        image = _resize(whole, box_height, box_width, cv2.INTER_AREA)
    return _resize(image, height, width, cv2.INTER_LINEAR_EXACT)


def _resize_linear_1(image: Image, height: int, width: int) -> Image:
    """Plain bilinear, OpenCV's default: aliases, and differs between machines by up to 2 of 255."""
    return _resize(image, height, width, cv2.INTER_LINEAR)


def _resize(image: Image, height: int, width: int, interpolation: int) -> Image:
    return np.asarray(cv2.resize(image, (width, height), interpolation=interpolation), np.uint8)


_MODES: Mapping[str, Callable[[Image, int, int, Resize], Image]] = {
    "squash": _squash,
    "crop": _crop,
    "letterbox": _letterbox,
}
_RULES: Mapping[str, Resize] = {
    "box-linear-exact-1": _resize_box_linear_exact_1,
    "linear-1": _resize_linear_1,
}
