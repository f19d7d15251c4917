"""A drawn image, identical on every machine, for tests without a camera."""

import re
import time
from itertools import count

from vedette_edge.cameras.config import CameraConfig, CameraEvent, Frame, Frames, OnCameraEvent
from vedette_edge.cameras.rate_limiter import RateLimiter
from vedette_edge.errors import SettingError
from vedette_edge.images.test_pattern import draw_background, draw_square

DRAWN = 8  # images that are drawn in advance and shown in turn


def open_frames(config: CameraConfig, on_event: OnCameraEvent) -> Frames:
    """Endless frames: `synthetic`, `synthetic:1280x720` or `synthetic:640x480@30`.

    They are drawn in advance, so that drawing costs no time. Without a rate each frame waits
    until the one before has been taken.
    """
    width, height, rate = _parse_source(config)
    detail = f"{width}x{height} RGB" + (f" {rate:g}/s" if rate else "")
    on_event(CameraEvent("opened", detail))
    return _draw_frames(height, width, rate, config.source)


def has_no_rate(config: CameraConfig) -> bool:
    """True if frames come as fast as they are taken."""
    return not _parse_source(config)[2]


def _parse_source(config: CameraConfig) -> tuple[int, int, float]:
    """Parse width, height and frames/s. Raises SettingError."""
    size = r"([1-9]\d{0,3})x([1-9]\d{0,3})(?:@(\d{1,4}(?:\.\d+)?))?"
    if not (match := re.fullmatch(rf"synthetic(?::{size})?", config.source)):
        raise SettingError(
            f"camera {config.name!r} is not valid; expected synthetic, synthetic:WIDTHxHEIGHT "
            "or synthetic:WIDTHxHEIGHT@RATE, such as synthetic:640x480@30"
        )
    width, height, rate = match.groups()
    return int(width or config.width), int(height or config.height), float(rate or 0)


def _draw_frames(height: int, width: int, rate: float, source: str) -> Frames:
    background, limiter = draw_background(height, width), RateLimiter(rate)
    images_rgb = [draw_square(background, number) for number in range(DRAWN)]
    for image_rgb in images_rgb:
        image_rgb.setflags(write=False)
    for number in count(1):
        begin = time.perf_counter()
        limiter.wait()
        capture_ms = 1000 * (time.perf_counter() - begin)
        yield Frame(number, images_rgb[number % DRAWN], time.time(), capture_ms, source)
