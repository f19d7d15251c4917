"""A network camera: rtsp:// or http://, through OpenCV's FFmpeg.

Nothing that is told holds the user's name or password: they may be in the address.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import cv2

from vedette_edge.cameras import video_file
from vedette_edge.cameras.config import CameraConfig, Frame, Frames, Reports
from vedette_edge.cameras.opencv import delivers, rate_of, rgb_of
from vedette_edge.errors import CameraError

OPEN_TIMEOUT_MS, READ_TIMEOUT_MS = 10_000, 5_000
MOST_PILED_UP = 100  # frames that are passed over at once
_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"


def frames(wish: CameraConfig, reports: Reports) -> Frames:
    """The newest frames of a stream; a video file at such an address is played as a file.

    Raises CameraError where it cannot be opened, and when it breaks off.
    """
    stream = _opened(wish)
    if stream.get(cv2.CAP_PROP_FRAME_COUNT) > 0:
        return video_file.played(stream, lambda: _opened(wish), wish, reports)
    reports.delivers(delivers(stream))
    return _frames(stream, wish)


def _opened(wish: CameraConfig) -> cv2.VideoCapture:
    wanted = {
        cv2.CAP_PROP_OPEN_TIMEOUT_MSEC: OPEN_TIMEOUT_MS,
        cv2.CAP_PROP_READ_TIMEOUT_MSEC: READ_TIMEOUT_MS,
    }
    with _rtsp_over_tcp():
        pairs = [number for pair in wanted.items() for number in pair]
        stream = cv2.VideoCapture(wish.source, cv2.CAP_FFMPEG, pairs)
    if not stream.isOpened():
        raise CameraError(
            f"{wish.name}: no stream could be opened within {OPEN_TIMEOUT_MS // 1000} s; "
            "expected one that FFmpeg reads: see whether the camera is on and reachable, and "
            "whether address, user and password are right"
        )
    return stream


def _frames(stream: cv2.VideoCapture, wish: CameraConfig) -> Frames:
    quick_s, number = 0.5 / (rate_of(stream) or video_file.USUAL_RATE), 0
    try:
        while True:
            begin = time.perf_counter()
            grabbed = _grab_newest(stream, quick_s)
            picture_rgb = rgb_of(*stream.retrieve()) if grabbed else None
            if picture_rgb is None:
                raise CameraError(
                    f"{wish.name}: the stream broke off after {number} frames; "
                    "see whether the camera is on and reachable"
                )
            number += grabbed
            capture_ms = 1000 * (time.perf_counter() - begin)
            yield Frame(number, picture_rgb, time.time(), capture_ms, wish.name)
    finally:
        stream.release()


def _grab_newest(stream: cv2.VideoCapture, quick_s: float) -> int:
    """Grab until a frame had to be waited for; gives how many were grabbed, 0 if one failed.

    Frames that come more quickly than they can have been made had piled up: while the stream was
    opened, or while nobody read.
    """
    for grabbed in range(1, MOST_PILED_UP):
        begin = time.monotonic()
        if not stream.grab():
            return 0
        if time.monotonic() - begin > quick_s:
            return grabbed
    return MOST_PILED_UP - 1


@contextmanager
def _rtsp_over_tcp() -> Iterator[None]:
    """FFmpeg's own choice is UDP, which loses packets in most wireless networks.

    OpenCV reads the variable while it opens a stream; one that the user has set is kept.
    """
    before = os.environ.get(_OPTIONS)
    os.environ.setdefault(_OPTIONS, "rtsp_transport;tcp")
    try:
        yield
    finally:
        if before is None:
            del os.environ[_OPTIONS]
