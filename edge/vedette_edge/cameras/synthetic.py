"""A drawn picture that every machine draws alike, for tests without a camera."""

import re
import time
from itertools import count

import numpy as np

from vedette_edge.cameras.frame import Frame, Frames
from vedette_edge.cameras.pace import Pace
from vedette_edge.cameras.wish import Reports, Wish
from vedette_edge.errors import SettingError
from vedette_edge.prepare import Picture

HEIGHT, WIDTH = 480, 640  # px
DRAWN = 8  # pictures that are drawn beforehand, and shown in turn


def frames(wish: Wish, reports: Reports) -> Frames:
    """Frames without end: `synthetic`, `synthetic:1280x720`, `synthetic:640x480@30`.

    They come from memory, so that drawing costs no time: at a rate, or as fast as they are taken.
    """
    width, height, rate = _asked(wish)
    reports.delivers(f"{width}x{height} RGB" + (f" {rate:g}/s" if rate else ""))
    return _frames(height, width, rate, wish.source)


def waits(wish: Wish) -> bool:
    """Whether it has no rate: then each frame waits until the one before has been taken."""
    return not _asked(wish)[2]


def _asked(wish: Wish) -> tuple[int, int, float]:
    """Width, height and frames/s. Raises SettingError for what is not understood."""
    size = r"([1-9]\d{0,3})x([1-9]\d{0,3})(?:@(\d{1,4}(?:\.\d+)?))?"
    if not (found := re.fullmatch(rf"synthetic(?::{size})?", wish.source)):
        raise SettingError(
            f"camera {wish.source!r} is not understood; expected synthetic, synthetic:WIDTHxHEIGHT "
            "or synthetic:WIDTHxHEIGHT@RATE, such as synthetic:640x480@30"
        )
    return int(found[1] or wish.width), int(found[2] or wish.height), float(found[3] or wish.fps)


def _frames(height: int, width: int, rate: float, source: str) -> Frames:
    ground, pace = _ground(height, width), Pace(rate)
    drawn = [_with_square(ground, number) for number in range(DRAWN)]
    for picture_rgb in drawn:
        picture_rgb.setflags(write=False)
    for number in count(1):
        begin = time.perf_counter()
        pace.wait()
        capture_ms = 1000 * (time.perf_counter() - begin)
        yield Frame(number, drawn[number % DRAWN], time.time(), capture_ms, source)


def picture(number: int, height: int = HEIGHT, width: int = WIDTH) -> Picture:
    """Frame `number`: uint8, height x width x 3, R G B. Ramps, fine grain and a square that moves.

    Integers alone, so that it is the same to the bit on every machine; a swapped colour, a
    turn, a mirror or another resize changes it.
    """
    return _with_square(_ground(height, width), number)


def _ground(height: int, width: int) -> Picture:
    """Ramps and fine grain, 0..253."""
    rows, columns = np.ogrid[0:height, 0:width]
    mixed = rows.astype(np.uint32) * np.uint32(2654435761)
    mixed = mixed ^ columns.astype(np.uint32) * np.uint32(2246822519)
    grain = (mixed >> 27).astype(np.uint8)
    red, green = columns * 223 // width, rows * 223 // height
    blue = (rows // 40 + columns // 40) % 2 * 160
    return np.dstack([grain + channel.astype(np.uint8) for channel in (red, green, blue)])


def _with_square(ground: Picture, number: int) -> Picture:
    drawn, (height, width, _) = ground.copy(), ground.shape
    side = min(120, height // 2, width // 2)
    left, top = 7 * number % (width - side), 5 * number % (height - side)
    drawn[top : top + side, left : left + side] = (230, 200, 30)
    return drawn
