"""A drawn picture that every machine draws alike, for tests without a camera."""

import re
import time
from itertools import count

from vedette_edge.cameras.config import CameraConfig, Frame, Frames, Reports
from vedette_edge.cameras.rate_limiter import RateLimiter
from vedette_edge.errors import SettingError
from vedette_edge.images.test_pattern import draw_background, draw_square

DRAWN = 8  # pictures that are drawn beforehand, and shown in turn


def frames(wish: CameraConfig, reports: Reports) -> Frames:
    """Frames without end: `synthetic`, `synthetic:1280x720`, `synthetic:640x480@30`.

    They come from memory, so that drawing costs no time: at a rate, or as fast as they are taken.
    """
    width, height, rate = _asked(wish)
    reports.delivers(f"{width}x{height} RGB" + (f" {rate:g}/s" if rate else ""))
    return _frames(height, width, rate, wish.source)


def waits(wish: CameraConfig) -> bool:
    """Whether it has no rate: then each frame waits until the one before has been taken."""
    return not _asked(wish)[2]


def _asked(wish: CameraConfig) -> tuple[int, int, float]:
    """Width, height and frames/s. Raises SettingError for what is not understood."""
    size = r"([1-9]\d{0,3})x([1-9]\d{0,3})(?:@(\d{1,4}(?:\.\d+)?))?"
    if not (found := re.fullmatch(rf"synthetic(?::{size})?", wish.source)):
        raise SettingError(
            f"camera {wish.source!r} is not understood; expected synthetic, synthetic:WIDTHxHEIGHT "
            "or synthetic:WIDTHxHEIGHT@RATE, such as synthetic:640x480@30"
        )
    return int(found[1] or wish.width), int(found[2] or wish.height), float(found[3] or wish.fps)


def _frames(height: int, width: int, rate: float, source: str) -> Frames:
    ground, pace = draw_background(height, width), RateLimiter(rate)
    drawn = [draw_square(ground, number) for number in range(DRAWN)]
    for picture_rgb in drawn:
        picture_rgb.setflags(write=False)
    for number in count(1):
        begin = time.perf_counter()
        pace.wait()
        capture_ms = 1000 * (time.perf_counter() - begin)
        yield Frame(number, drawn[number % DRAWN], time.time(), capture_ms, source)
