"""A video file: every frame as fast as possible, or live at the video's own rate."""

import math
import time
from collections.abc import Callable, Iterator

import cv2

from vedette_edge.cameras.config import CameraConfig, CameraEvent, Frame, Frames, OnCameraEvent
from vedette_edge.cameras.opencv import convert_to_rgb, describe_capture, read_frame_rate
from vedette_edge.cameras.rate_limiter import RateLimiter
from vedette_edge.errors import CameraError
from vedette_edge.images.preprocessing import Image

DEFAULT_RATE = 25.0  # frames/s of a video that states no rate


def open_frames(config: CameraConfig, on_event: OnCameraEvent) -> Frames:
    """The frames of a video file. Reports a file that ends too early.

    Raises CameraError if there is no frame.
    """

    def open_video() -> cv2.VideoCapture:
        video = cv2.VideoCapture(config.source)
        if not video.isOpened():
            raise CameraError(
                f"{config.source}: not a video that can be read; "
                "expected a video file, such as an MP4, or a folder of images"
            )
        return video

    video = open_video()
    on_event(CameraEvent("opened", describe_capture(video)))
    return read_frames(video, open_video, config, on_event)


def read_frames(
    video: cv2.VideoCapture,
    reopen: Callable[[], cv2.VideoCapture],
    config: CameraConfig,
    on_event: OnCameraEvent,
) -> Frames:
    """Read the frames of an open video. To loop it, `reopen` opens it again."""
    rate = read_frame_rate(video) or DEFAULT_RATE
    limiter = RateLimiter(rate if config.live else 0.0)
    number, position_s = 0, -1 / rate
    try:
        while True:
            before, expected = number, int(video.get(cv2.CAP_PROP_FRAME_COUNT))
            begin_s = position_s + 1 / rate
            for image_rgb, capture_ms in _read_images(video, limiter):
                number += 1
                position_s = _read_position(video, begin_s, position_s, rate)
                yield Frame(number, image_rgb, time.time(), capture_ms, config.name, position_s)
            if (count := number - before) < expected or not number:
                _report_early_end(config, count, expected, on_event)
            if not config.loop or not count:
                return
            video.release()
            video = reopen()
    finally:
        video.release()


def _read_position(video: cv2.VideoCapture, begin_s: float, last_s: float, rate: float) -> float:
    """Read the position of a frame, after the last one; by the rate if the video states none."""
    stated_s = begin_s + video.get(cv2.CAP_PROP_POS_MSEC) / 1000
    return stated_s if last_s < stated_s < math.inf else last_s + 1 / rate


def _report_early_end(
    config: CameraConfig, count: int, expected: int, on_event: OnCameraEvent
) -> None:
    """Report a video that ended too early. Raises CameraError if it has no frame."""
    if not count:
        raise CameraError(
            f"{config.name}: no picture in it can be read; the file may be cut off or damaged. "
            "Play it in a video player, and copy or convert it again"
        )
    detail = f"{config.name}: ended after {count} of {expected} frames; the file may be truncated"
    on_event(CameraEvent("skipped_file", detail))


def _read_images(video: cv2.VideoCapture, limiter: RateLimiter) -> Iterator[tuple[Image, float]]:
    """Read each image; yield it with the reading time in ms."""
    while True:
        limiter.wait()
        begin = time.perf_counter()
        image_rgb = convert_to_rgb(*video.read())
        if image_rgb is None:
            return
        yield image_rgb, 1000 * (time.perf_counter() - begin)
