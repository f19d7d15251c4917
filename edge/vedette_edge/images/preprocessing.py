"""THE preprocessing: the only code anywhere that turns a picture into a model's input.

Training, calibration, evaluation, one-shot prediction and the live camera call `prepare`.
Its result is bit-identical on every machine: it uses integer arithmetic, and of OpenCV only
what gives equal bytes on x86-64 and Arm and across versions 4.10 to 5.0. A changed rule gets
a new name in the contract; the old one stays. `linear-1` alone promises no equal bytes: it is
there for the models of others, who trained with it.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from vedette_edge.errors import ImageError

Image = NDArray[np.uint8]  # height x width x 3; R, G, B unless a name says otherwise
Resize = Callable[[Image, int, int], Image]

LETTERBOX_GREY = 128


class InputSpec(Protocol):
    """What `prepare` needs said: a Contract says it."""

    @property
    def height(self) -> int: ...  # px
    @property
    def width(self) -> int: ...  # px
    @property
    def resize_mode(self) -> str: ...  # one of contract.FITS
    @property
    def resize_rule(self) -> str: ...  # one of contract.RESIZES


def preprocess(picture_rgb: Image, contract: InputSpec) -> Image:
    """The model's input for a picture: uint8, contract.height x contract.width x 3, R G B.

    `picture_rgb` is uint8, height x width x 3, of any size from 1 x 1, upright.
    Raises PictureError for any other array.
    """
    if picture_rgb.dtype != np.uint8 or picture_rgb.ndim != 3 or picture_rgb.shape[2] != 3:
        raise ImageError(
            f"picture is {picture_rgb.dtype} of shape {picture_rgb.shape}, "
            "expected uint8 of shape (height, width, 3)"
        )
    if 0 in picture_rgb.shape:
        raise ImageError(f"picture of shape {picture_rgb.shape} has no pixels")
    fit, resize = _FITS[contract.resize_mode], _RESIZES[contract.resize_rule]
    return fit(np.ascontiguousarray(picture_rgb), contract.height, contract.width, resize)


def _squash(picture: Image, height: int, width: int, resize: Resize) -> Image:
    """The whole picture, its sides stretched to the input's: the recipe's way."""
    return resize(picture, height, width)


def _crop(picture: Image, height: int, width: int, resize: Resize) -> Image:
    """The largest part in the middle that has the input's proportions."""
    kept_height, kept_width = _inside(height, width, picture.shape[0], picture.shape[1])
    return resize(_middle(picture, kept_height, kept_width), height, width)


def _letterbox(picture: Image, height: int, width: int, resize: Resize) -> Image:
    """The whole picture in its own proportions, in the middle, on grey 128."""
    inner_height, inner_width = _inside(picture.shape[0], picture.shape[1], height, width)
    top, left = (height - inner_height) // 2, (width - inner_width) // 2
    boxed = np.full((height, width, 3), LETTERBOX_GREY, np.uint8)
    inner = resize(picture, inner_height, inner_width)
    boxed[top : top + inner_height, left : left + inner_width] = inner
    return boxed


def _inside(height: int, width: int, outer_height: int, outer_width: int) -> tuple[int, int]:
    """The largest height and width of the proportions height : width within the outer ones."""
    if outer_height * width < outer_width * height:
        return outer_height, max(1, (outer_height * width + height // 2) // height)
    return max(1, (outer_width * height + width // 2) // width), outer_width


def _middle(picture: Image, height: int, width: int) -> Image:
    top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
    return np.ascontiguousarray(picture[top : top + height, left : left + width])


def _box_linear_exact_1(picture: Image, height: int, width: int) -> Image:
    """Mean over boxes of whole pixels down to less than twice the size, then exact bilinear.

    The boxes keep small things from aliasing away. Rows and columns that fill no whole box
    are left out in equal parts on both sides: less than one pixel of the result.
    """
    rows, columns = max(1, picture.shape[0] // height), max(1, picture.shape[1] // width)
    if rows > 1 or columns > 1:
        box_height, box_width = picture.shape[0] // rows, picture.shape[1] // columns
        whole = _middle(picture, box_height * rows, box_width * columns)
        picture = _resized(whole, box_height, box_width, cv2.INTER_AREA)
    return _resized(picture, height, width, cv2.INTER_LINEAR_EXACT)


def _linear_1(picture: Image, height: int, width: int) -> Image:
    """Plain bilinear, OpenCV's default: aliases, and differs between machines by up to 2 of 255."""
    return _resized(picture, height, width, cv2.INTER_LINEAR)


def _resized(picture: Image, height: int, width: int, interpolation: int) -> Image:
    resized = cv2.resize(picture, (width, height), interpolation=interpolation)
    return np.asarray(resized, np.uint8)


_FITS: Mapping[str, Callable[[Image, int, int, Resize], Image]] = {
    "squash": _squash,
    "crop": _crop,
    "letterbox": _letterbox,
}
_RESIZES: Mapping[str, Resize] = {
    "box-linear-exact-1": _box_linear_exact_1,
    "linear-1": _linear_1,
}
