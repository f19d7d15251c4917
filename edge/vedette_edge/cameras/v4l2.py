"""A camera with a Linux driver, such as a USB camera: /dev/video0 or v4l2:0."""

import os
import re
import time
from pathlib import Path

import cv2

from vedette_edge.cameras.config import CameraConfig, CameraEvent, Frame, Frames, OnCameraEvent
from vedette_edge.cameras.opencv import convert_to_rgb, describe_capture
from vedette_edge.errors import CameraError, SettingError

# One buffer would do for the newest frame, but then many drivers miss every second frame.
BUFFERS = 2
MAX_FAILURES, MAX_FAILURE_S = 5, 5.0  # reads in a row that may fail, and for how long


def open_frames(config: CameraConfig, on_event: OnCameraEvent) -> Frames:
    """The frames of a V4L2 camera. Asks for MJPG, because raw frames exceed the USB bandwidth.

    Raises CameraError if the device is missing, cannot be opened, or stops delivering.
    """
    device = find_device(config.source)
    _check_access(device)
    camera = cv2.VideoCapture(device, cv2.CAP_V4L2)
    if not camera.isOpened():
        raise CameraError(
            f"{device}: cannot be opened; expected a camera that no other program uses: "
            f"`fuser -v {device}` names the program, `v4l2-ctl --list-devices` lists all cameras "
            "(for a CSI camera, use picamera2)"
        )
    _configure(camera, config)
    on_event(CameraEvent("opened", describe_capture(camera)))
    return _read_frames(camera, device)


def find_device(source: str) -> str:
    """Find the device file: /dev/video1 for `v4l2:1`. Raises SettingError."""
    if source.startswith("/"):
        return source
    if not (match := re.fullmatch(r"v4l2:(\d{1,3})", source)):
        raise SettingError(f"camera {source!r} is not valid; expected v4l2:0 or /dev/video0")
    return f"/dev/video{match[1]}"


def _check_access(device: str) -> None:
    if not Path(device).exists():
        raise CameraError(
            f"{device}: not found; expected a camera. Check that it is plugged in; "
            "`v4l2-ctl --list-devices` lists all cameras"
        )
    if not os.access(device, os.R_OK | os.W_OK):
        raise CameraError(
            f"{device}: permission denied; expected a member of group video: "
            "sudo usermod -aG video $USER, then log in again"
        )


def _configure(camera: cv2.VideoCapture, config: CameraConfig) -> None:
    """Set the format first: sizes depend on it."""
    camera.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
    camera.set(cv2.CAP_PROP_FRAME_WIDTH, config.width)
    camera.set(cv2.CAP_PROP_FRAME_HEIGHT, config.height)
    camera.set(cv2.CAP_PROP_BUFFERSIZE, BUFFERS)


def _read_frames(camera: cv2.VideoCapture, device: str) -> Frames:
    number, failures, good_s = 0, 0, time.monotonic()
    try:
        while True:
            begin = time.perf_counter()
            image_rgb = convert_to_rgb(*camera.read())
            if image_rgb is None:
                failures += 1
                if failures >= MAX_FAILURES or time.monotonic() - good_s > MAX_FAILURE_S:
                    raise CameraError(
                        f"{device}: delivered no image {failures} times in a row after {number} "
                        "frames; check that it is plugged in and has enough power"
                    )
                continue
            number, failures, good_s = number + 1, 0, time.monotonic()
            capture_ms = 1000 * (time.perf_counter() - begin)
            yield Frame(number, image_rgb, time.time(), capture_ms, device)
            good_s = time.monotonic()
    finally:
        camera.release()
