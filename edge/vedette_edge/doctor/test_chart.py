"""The test chart: four coloured corners show how a camera is mounted and orders its channels."""

from itertools import product
from pathlib import Path

import cv2
import numpy as np

from vedette_edge.capture.orientation import FLIPS, TURNS, Orientation, orient
from vedette_edge.doctor import FAULT, OK, WARNING, Finding
from vedette_edge.files import atomic_write
from vedette_edge.images.preprocessing import Image

SIDE = 1200  # px
MARGIN = 20  # white, px
# Top left, top right, bottom left, bottom right, R G B. Each rotation, flip and channel order
# makes a different picture of them.
CORNERS = ((220, 20, 20), (20, 170, 20), (20, 40, 220), (240, 220, 20))
MIN_COLOUR = 40  # difference between a corner's channels, of 255: below it is grey
MIN_SIMILARITY = 0.9  # cosine between a corner's colour and the chart's


def draw_chart() -> Image:
    """Draw the chart: uint8, SIDE x SIDE x 3, R G B."""
    chart, half = np.full((SIDE, SIDE, 3), 255, np.uint8), SIDE // 2
    for colour, (row, column) in zip(CORNERS, product((0, 1), (0, 1)), strict=True):
        top, left = row * half + MARGIN, column * half + MARGIN
        chart[top : top + half - 2 * MARGIN, left : left + half - 2 * MARGIN] = colour
    return chart


def write_chart(path: Path) -> None:
    """Write the chart as PNG, or as JPEG if the name ends so. Raises OSError."""
    ending = path.suffix if path.suffix.lower() in (".png", ".jpg", ".jpeg") else ".png"
    encoded = cv2.imencode(ending, draw_chart()[..., ::-1])[1].tobytes()
    with atomic_write(path) as temporary:
        temporary.write_bytes(encoded)


def detect_orientation(image_rgb: Image) -> Finding:
    """Find how the camera is mounted. The chart must fill most of the picture."""
    for swapped, (rotate, flip) in product((False, True), product(TURNS, FLIPS)):
        if rotate and flip and rotate != 90:  # the same as another combination
            continue
        image = image_rgb[..., ::-1] if swapped else image_rgb
        if _is_chart(orient(np.ascontiguousarray(image), Orientation(rotate, flip))):
            return _describe_orientation(swapped=swapped, rotate=rotate, flip=flip)
    fix = "let the chart fill the picture, in even light, and try again"
    return Finding("chart", WARNING, "chart not found in the picture", fix)


def _describe_orientation(*, swapped: bool, rotate: int, flip: str) -> Finding:
    if swapped:
        detail = "red and blue are swapped: the driver names its channels wrongly"
        return Finding("chart", FAULT, detail, "try another --camera form, and report this camera")
    flags = " ".join([f"--rotate {rotate}"] * bool(rotate) + [f"--flip {flip}"] * bool(flip))
    if flags:
        detail = "colours are right, but the picture is rotated or mirrored"
        return Finding("chart", FAULT, detail, f"add {flags} to this command")
    return Finding("chart", OK, "the right way round, colours right")


def _is_chart(image_rgb: Image) -> bool:
    height, width, _ = image_rgb.shape
    for colour, (row, column) in zip(CORNERS, product((0.25, 0.75), (0.25, 0.75)), strict=True):
        top, left = int((row - 0.08) * height), int((column - 0.08) * width)
        patch = image_rgb[top : top + height // 6, left : left + width // 6]
        mean = patch.reshape(-1, 3).mean(axis=0)
        similarity = _compare_colours(mean, np.array(colour, float))
        if np.ptp(mean) < MIN_COLOUR or similarity < MIN_SIMILARITY:
            return False
    return True


def _compare_colours(one: np.ndarray, other: np.ndarray) -> float:
    """Compute the cosine between two colours without their grey, which varies with the light."""
    one, other = one - one.min(), other - other.min()
    return float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other) + 1e-9))
