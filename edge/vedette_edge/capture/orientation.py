"""The first steps with a frame: it is rotated, flipped, cropped and masked."""

from collections.abc import Iterable, Mapping
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
    """Steps that turn a frame upright, in this order, so that it looks as in training."""

    rotate: int = 0  # degrees clockwise, one of TURNS
    flip: str = ""  # one of FLIPS; horizontal swaps left and right
    crop: Crop | None = None  # in px of the rotated and flipped image

    def __str__(self) -> str:
        """For the log, such as `rotate 90, crop 10,20,200,300`; empty if there are no steps."""
        crop = ",".join(map(str, self.crop)) if self.crop else ""
        steps = {"rotate": self.rotate, "flip": self.flip, "crop": crop}
        return ", ".join(f"{name} {value}" for name, value in steps.items() if value)


def orient(image_rgb: Image, orientation: Orientation) -> Image:
    """Turn a frame upright: uint8, height x width x 3, contiguous. Moves pixels, never mixes them.

    Raises SettingError if the crop exceeds the frame.
    """
    if (rotation := _TURNS[orientation.rotate]) is not None:
        image_rgb = np.asarray(cv2.rotate(image_rgb, rotation), np.uint8)
    if (flip := _FLIPS[orientation.flip]) is not None:
        image_rgb = np.asarray(cv2.flip(image_rgb, flip), np.uint8)
    if orientation.crop:
        image_rgb = crop_region(image_rgb, Region("crop", *orientation.crop))
    return np.ascontiguousarray(image_rgb)


def crop_region(image_rgb: Image, region: Region) -> Image:
    """Crop a frame to a region: uint8, height x width x 3. Raises SettingError if it exceeds it."""
    if not region.width:
        return image_rgb
    check_regions(image_rgb, (region,))
    right, bottom = region.x + region.width, region.y + region.height
    return np.ascontiguousarray(image_rgb[region.y : bottom, region.x : right])


def mask_regions(image_rgb: Image, regions: Iterable[Region]) -> Image:
    """Return a copy of a frame whose regions are black. The frame itself stays as it is."""
    masked_rgb = image_rgb.copy()
    for region in regions:
        right, bottom = region.x + region.width, region.y + region.height
        masked_rgb[region.y : bottom, region.x : right] = 0
    return masked_rgb


def check_regions(image_rgb: Image, regions: Iterable[Region]) -> None:
    """Raise SettingError if a region exceeds the frame."""
    height, width = image_rgb.shape[:2]
    for region in regions:
        right, bottom = region.x + region.width, region.y + region.height
        if right > width or bottom > height:
            kind = "" if region.name in ("crop", "mask") else "region "
            raise SettingError(
                f"{kind}{region.name} reaches to {right}, {bottom}; "
                f"the frame ends at {width}, {height}"
            )
