"""Regions of a frame: the crop, and the named regions that are classified separately."""

import re
from dataclasses import dataclass

from vedette_edge.errors import SettingError

_NUMBERS = r"(\d{1,5}),(\d{1,5}),(\d{1,5}),(\d{1,5})"
Crop = tuple[int, int, int, int]  # x, y, width, height in px


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle in px of the upright frame; without a size, the whole frame."""

    name: str
    x: int = 0
    y: int = 0
    width: int = 0
    height: int = 0


WHOLE = Region("")


def parse_crop(text: str, name: str = "crop") -> Crop:
    """Parse `10,20,200,300`: x, y, width and height. Raises SettingError that has the name."""
    match = re.fullmatch(_NUMBERS, text.strip())
    x, y, width, height = map(int, match.groups()) if match else (0, 0, 0, 0)
    if not width or not height:
        raise SettingError(
            f"{name} {text!r} is not valid; expected X,Y,WIDTH,HEIGHT in pixels, "
            "such as 10,20,200,300"
        )
    return x, y, width, height


def parse_region(text: str) -> Region:
    """Parse `door=10,20,200,300`: name, x, y, width and height. Raises SettingError."""
    match = re.fullmatch(rf"([^=\s]+)={_NUMBERS}", text.strip())
    region = Region(match[1], *map(int, match.groups()[1:])) if match else WHOLE
    if not region.width or not region.height:
        raise SettingError(
            f"region {text!r} is not valid; expected NAME=X,Y,WIDTH,HEIGHT in pixels, "
            "such as door=10,20,200,300"
        )
    return region
