"""Regions of a frame: the crop, and the parts that are classified on their own."""

import re
from dataclasses import dataclass

from vedette_edge.errors import SettingError

WHOLE_NAME = ""
_NUMBERS = r"(\d{1,5}),(\d{1,5}),(\d{1,5}),(\d{1,5})"
Crop = tuple[int, int, int, int]  # x, y, width, height in px


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle in px of the upright frame; of no size it is the whole frame."""

    name: str
    x: int = 0
    y: int = 0
    width: int = 0
    height: int = 0


WHOLE = Region(WHOLE_NAME)


def parse_crop(text: str) -> Crop:
    """`10,20,200,300` is x, y, width and height. Raises SettingError for all else."""
    found = re.fullmatch(_NUMBERS, text.strip())
    x, y, width, height = map(int, found.groups()) if found else (0, 0, 0, 0)
    if not width or not height:
        raise SettingError(
            f"crop {text!r} is not understood; expected X,Y,WIDTH,HEIGHT in pixels, "
            "such as 10,20,200,300"
        )
    return x, y, width, height


def parse_region(text: str) -> Region:
    """`door=10,20,200,300` is name, x, y, width and height. Raises SettingError for all else."""
    found = re.fullmatch(rf"([^=\s]+)={_NUMBERS}", text.strip())
    region = Region(found[1], *map(int, found.groups()[1:])) if found else WHOLE
    if not region.width or not region.height:
        raise SettingError(
            f"region {text!r} is not understood; expected NAME=X,Y,WIDTH,HEIGHT in pixels, "
            "such as door=10,20,200,300"
        )
    return region
