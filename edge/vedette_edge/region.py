"""Parts of the frame that are classified on their own: a door, a nest, a lane."""

import re
from dataclasses import dataclass

import numpy as np

from vedette_edge.errors import SettingError
from vedette_edge.prepare import Picture

WHOLE_NAME = ""


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle in px of the upright frame; of no size it is the whole frame."""

    name: str
    x: int = 0
    y: int = 0
    width: int = 0
    height: int = 0


WHOLE = Region(WHOLE_NAME)


def parse_region(text: str) -> Region:
    """`door=10,20,200,300` is name, x, y, width and height. Raises SettingError for all else."""
    found = re.fullmatch(r"([^=\s]+)=(\d{1,5}),(\d{1,5}),(\d{1,5}),(\d{1,5})", text.strip())
    if not found or "0" in found.groups()[3:]:
        raise SettingError(
            f"region {text!r} is not understood; expected NAME=X,Y,WIDTH,HEIGHT in pixels, "
            "such as door=10,20,200,300"
        )
    name, *numbers = found.groups()
    return Region(name, *map(int, numbers))


def part_of(picture_rgb: Picture, region: Region) -> Picture:
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
