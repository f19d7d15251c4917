"""A test chart: four colours in four corners tell how a camera is mounted, and its channels."""

from itertools import product

import numpy as np

from vedette_edge.capture.orientation import FLIPS, TURNS, Orientation, orient
from vedette_edge.doctor import FAULT, OK, WARNING, Finding
from vedette_edge.images.preprocessing import Image

SIDE = 1200  # px
MARGIN = 20  # of white, px
# Top left, top right, bottom left, bottom right, R G B. Turned, mirrored or with swapped channels,
# it is the same in no other way.
CORNERS = ((220, 20, 20), (20, 170, 20), (20, 40, 220), (240, 220, 20))
LEAST_COLOUR = 40  # by which a corner's channels must differ, of 255: else it is grey
LEAST_ALIKE = 0.9  # cosine between a corner's colour and the chart's


def draw_chart() -> Image:
    """To be printed or shown: uint8, SIDE x SIDE x 3, R G B."""
    drawn, half = np.full((SIDE, SIDE, 3), 255, np.uint8), SIDE // 2
    for colour, (row, column) in zip(CORNERS, product((0, 1), (0, 1)), strict=True):
        top, left = row * half + MARGIN, column * half + MARGIN
        drawn[top : top + half - 2 * MARGIN, left : left + half - 2 * MARGIN] = colour
    return drawn


def judge(picture_rgb: Image) -> Finding:
    """What a picture of the chart tells, if the chart fills most of it."""
    for swapped, (rotate, flip) in product((False, True), product(TURNS, FLIPS)):
        if rotate and flip and rotate != 90:  # the same as another of them
            continue
        seen = picture_rgb[..., ::-1] if swapped else picture_rgb
        upright = orient(np.ascontiguousarray(seen), Orientation(rotate, flip))
        if _is_chart(upright):
            return _told(swapped=swapped, rotate=rotate, flip=flip)
    mend = "let the chart fill the picture, in even light, and try again"
    return Finding("chart", WARNING, "the chart is not to be seen", mend)


def _told(*, swapped: bool, rotate: int, flip: str) -> Finding:
    if swapped:
        found = "red and blue are swapped: the driver names its channels wrongly"
        return Finding("chart", FAULT, found, "try another --camera form, and report this camera")
    flags = " ".join([f"--rotate {rotate}"] * bool(rotate) + [f"--flip {flip}"] * bool(flip))
    if flags:
        found = "colours are right, but the picture is turned or mirrored"
        return Finding("chart", FAULT, found, f"add {flags} to what the command says")
    return Finding("chart", OK, "the right way round, colours right")


def _is_chart(picture_rgb: Image) -> bool:
    height, width, _ = picture_rgb.shape
    for colour, (row, column) in zip(CORNERS, product((0.25, 0.75), (0.25, 0.75)), strict=True):
        top, left = int((row - 0.08) * height), int((column - 0.08) * width)
        patch = picture_rgb[top : top + height // 6, left : left + width // 6]
        seen = patch.reshape(-1, 3).mean(axis=0)
        if np.ptp(seen) < LEAST_COLOUR or _alike(seen, np.array(colour, float)) < LEAST_ALIKE:
            return False
    return True


def _alike(seen: np.ndarray, colour: np.ndarray) -> float:
    """Cosine of the angle between two colours without their grey: light changes, hue stays."""
    one, other = seen - seen.min(), colour - colour.min()
    return float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other) + 1e-9))
