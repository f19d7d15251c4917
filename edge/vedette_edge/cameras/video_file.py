"""A video file: every frame as fast as possible, or live at the video's own rate."""

import time
from collections.abc import Callable, Iterator

import cv2

from vedette_edge.cameras.config import CameraConfig, Frame, Frames, Reports
from vedette_edge.cameras.opencv import delivers, rate_of, rgb_of
from vedette_edge.cameras.rate_limiter import RateLimiter
from vedette_edge.errors import CameraError
from vedette_edge.images.preprocessing import Image

USUAL_RATE = 25.0  # frames/s of a video that does not state its own


def frames(wish: CameraConfig, reports: Reports) -> Frames:
    """The frames of a video. It says so when the file ends before it should."""

    def opened() -> cv2.VideoCapture:
        video = cv2.VideoCapture(wish.source)
        if not video.isOpened():
            raise CameraError(
                f"{wish.source}: is no video that OpenCV reads; "
                "expected a video file or a folder of pictures"
            )
        return video

    return played(opened(), opened, wish, reports)


def played(
    video: cv2.VideoCapture,
    opened: Callable[[], cv2.VideoCapture],
    wish: CameraConfig,
    reports: Reports,
) -> Frames:
    """The frames of a video that is open; `opened` opens it again where it is to be looped."""
    reports.delivers(delivers(video))
    return _frames(video, opened, wish, reports)


def _frames(
    video: cv2.VideoCapture,
    opened: Callable[[], cv2.VideoCapture],
    wish: CameraConfig,
    reports: Reports,
) -> Frames:
    pace = RateLimiter((rate_of(video) or USUAL_RATE) if wish.live else wish.fps)
    number = 0
    try:
        while True:
            before, expected = number, int(video.get(cv2.CAP_PROP_FRAME_COUNT))
            for picture_rgb, capture_ms in _pictures(video, pace):
                number += 1
                yield Frame(number, picture_rgb, time.time(), capture_ms, wish.name)
            if (count := number - before) < expected:
                reports.left_out(
                    f"{wish.name}: ended after {count} of {expected} frames; "
                    "the file may be cut short"
                )
            if not wish.loop or not count:
                return
            video.release()
            video = opened()
    finally:
        video.release()


def _pictures(video: cv2.VideoCapture, pace: RateLimiter) -> Iterator[tuple[Image, float]]:
    """Each picture and how many ms it took."""
    while True:
        pace.wait()
        begin = time.perf_counter()
        picture_rgb = rgb_of(*video.read())
        if picture_rgb is None:
            return
        yield picture_rgb, 1000 * (time.perf_counter() - begin)
