"""A camera that Linux drives itself, as a USB camera: /dev/video0 or v4l2:0."""

import os
import re
import time
from pathlib import Path

import cv2

from vedette_edge.cameras.config import CameraConfig, Frame, Frames, Reports
from vedette_edge.cameras.opencv import delivers, rgb_of
from vedette_edge.errors import CameraError, SettingError

# One would do for the newest frame alone, but many drivers then miss every second one.
BUFFERS = 2
FAILURES, FAILING_S = 5, 5.0  # reads in a row, and for how long, that may fail


def frames(wish: CameraConfig, reports: Reports) -> Frames:
    """The frames of a V4L2 camera, asked for as MJPG, which USB has room for.

    Raises CameraError where it is absent, may not be opened or gives no frames any more.
    """
    device = _device(wish.source)
    _check(device)
    camera = cv2.VideoCapture(device, cv2.CAP_V4L2)
    if not camera.isOpened():
        raise CameraError(
            f"{device}: cannot be opened; expected a camera that no other program uses: "
            f"`fuser -v {device}` names who does, `v4l2-ctl --list-devices` lists all cameras "
            "(a CSI camera is opened as picamera2)"
        )
    _configure(camera, wish)
    reports.delivers(delivers(camera))
    return _frames(camera, device)


def _device(source: str) -> str:
    """`v4l2:1` is /dev/video1; other names are files in /dev."""
    if source.startswith("/"):
        return source
    if not (found := re.fullmatch(r"v4l2:(\d{1,3})", source)):
        raise SettingError(f"camera {source!r} is not understood; expected v4l2:0 or /dev/video0")
    return f"/dev/video{found[1]}"


def _check(device: str) -> None:
    if not Path(device).exists():
        raise CameraError(
            f"{device}: is not there; expected a camera: see whether it is plugged in; "
            "`v4l2-ctl --list-devices` lists all cameras"
        )
    if not os.access(device, os.R_OK | os.W_OK):
        raise CameraError(
            f"{device}: may not be opened by this user; expected membership of group video: "
            "sudo usermod -aG video $USER, then log in again"
        )


def _configure(camera: cv2.VideoCapture, wish: CameraConfig) -> None:
    """Ask for what is wanted, the format first: sizes and rates depend on it."""
    camera.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
    camera.set(cv2.CAP_PROP_FRAME_WIDTH, wish.width)
    camera.set(cv2.CAP_PROP_FRAME_HEIGHT, wish.height)
    if wish.fps:
        camera.set(cv2.CAP_PROP_FPS, wish.fps)
    camera.set(cv2.CAP_PROP_BUFFERSIZE, BUFFERS)


def _frames(camera: cv2.VideoCapture, device: str) -> Frames:
    number, failures, good_s = 0, 0, time.monotonic()
    try:
        while True:
            begin = time.perf_counter()
            picture_rgb = rgb_of(*camera.read())
            if picture_rgb is None:
                failures += 1
                if failures >= FAILURES or time.monotonic() - good_s > FAILING_S:
                    raise CameraError(
                        f"{device}: gave no picture {failures} times in a row after {number} "
                        "frames; see whether it is plugged in and has enough power"
                    )
                continue
            number, failures, good_s = number + 1, 0, time.monotonic()
            capture_ms = 1000 * (time.perf_counter() - begin)
            yield Frame(number, picture_rgb, time.time(), capture_ms, device)
            good_s = time.monotonic()
    finally:
        camera.release()
