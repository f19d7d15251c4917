"""A video file: every frame as fast as possible, or live at the video's own rate."""

import math
import time
from pathlib import Path

import cv2
import numpy as np

from vedette_edge.cameras.frame import Frame, Frames, Report
from vedette_edge.errors import CameraError


def frames(path: Path, report: Report, live: bool = False) -> Frames:
    """The frames of a video. It says so when the file ends before it should."""
    video = cv2.VideoCapture(str(path))
    if not video.isOpened():
        raise CameraError(
            f"{path}: is no video that OpenCV reads; expected a video file or a folder of pictures"
        )
    return _frames(video, path, report, live)


def _frames(video: cv2.VideoCapture, path: Path, report: Report, live: bool) -> Frames:
    expected = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
    pause_s = 1 / _rate(video) if live else 0.0
    number, started = 0, time.monotonic()
    try:
        while True:
            time.sleep(max(0.0, started + number * pause_s - time.monotonic()))
            begin = time.perf_counter()
            taken, picture_bgr = video.read()
            if not taken:
                break
            number += 1
            picture_rgb = np.asarray(cv2.cvtColor(picture_bgr, cv2.COLOR_BGR2RGB), np.uint8)
            capture_ms = 1000 * (time.perf_counter() - begin)
            yield Frame(number, picture_rgb, time.time(), capture_ms, str(path))
        if number < expected:
            report(f"{path}: ended after {number} of {expected} frames; the file may be cut short")
    finally:
        video.release()


def _rate(video: cv2.VideoCapture) -> float:
    rate = video.get(cv2.CAP_PROP_FPS)
    return rate if math.isfinite(rate) and rate > 0 else 25.0
