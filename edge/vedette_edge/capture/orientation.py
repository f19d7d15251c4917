"""How a camera is mounted: its frames are turned, mirrored and cropped before anything else."""

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from vedette_edge.capture.region import Crop, Region
from vedette_edge.errors import SettingError
from vedette_edge.images.preprocessing import Image

_TURNS: Mapping[int, int | None] = {
    0: None,
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}
_FLIPS: Mapping[str, int | None] = {"": None, "horizontal": 1, "vertical": 0}  # cv2.flip's codes
TURNS, FLIPS = tuple(_TURNS), tuple(_FLIPS)


@dataclass(frozen=True, slots=True)
class Orientation:
    """What is to be done to a frame, in this order, so that it is as training saw it."""

    rotate: int = 0  # degrees clockwise, one of TURNS
    flip: str = ""  # one of FLIPS; horizontal is left for right
    crop: Crop | None = None  # of the picture that is turned and mirrored

    def __post_init__(self) -> None:
        if self.rotate not in TURNS or self.flip not in FLIPS:
            raise SettingError(
                f"mounting is rotate {self.rotate!r}, flip {self.flip!r}; expected rotate "
                f"{', '.join(map(str, TURNS))} and flip {', '.join(filter(None, FLIPS))} or none"
            )

    def __str__(self) -> str:
        """For the log, such as `rotate 90, crop 10,20,200,300`; empty if nothing is done."""
        crop = ",".join(map(str, self.crop)) if self.crop else ""
        done = {"rotate": self.rotate, "flip": self.flip, "crop": crop}
        return ", ".join(f"{name} {value}" for name, value in done.items() if value)


def orient(picture_rgb: Image, mounting: Orientation) -> Image:
    """The frame upright: uint8, height x width x 3, contiguous; pixels are moved, never mixed.

    Raises SettingError for a crop that does not lie within it.
    """
    if (turn := _TURNS[mounting.rotate]) is not None:
        picture_rgb = np.asarray(cv2.rotate(picture_rgb, turn), np.uint8)
    if (flip := _FLIPS[mounting.flip]) is not None:
        picture_rgb = np.asarray(cv2.flip(picture_rgb, flip), np.uint8)
    if mounting.crop:
        picture_rgb = crop_region(picture_rgb, Region("crop", *mounting.crop))
    return np.ascontiguousarray(picture_rgb)


def crop_region(picture_rgb: Image, region: Region) -> Image:
    """That part of a frame, uint8, height x width x 3. Raises SettingError if it lies outside."""
    if not region.width:
        return picture_rgb
    height, width = picture_rgb.shape[:2]
    right, bottom = region.x + region.width, region.y + region.height
    if right > width or bottom > height:
        raise SettingError(
            f"region {region.name} reaches to {right}, {bottom}; "
            f"the frame ends at {width}, {height}"
        )
    return np.ascontiguousarray(picture_rgb[region.y : bottom, region.x : right])
