"""A Pi's own camera, on the CSI connector, through libcamera: picamera2 or picamera2:1.

`close` may wait for ever once a camera has stopped to give frames, and a second Picamera2 in a
process leaks memory: who got a CameraError ends the process, and starts another to try again.
"""

import atexit
import os
import re
import time
from collections.abc import Mapping
from itertools import count
from typing import Any

import cv2
import numpy as np

from vedette_edge.cameras.config import CameraConfig, Frame, Frames, Reports
from vedette_edge.errors import CameraError, SettingError
from vedette_edge.images.preprocessing import Image

WAIT_S = 5.0  # for a frame
BUFFERS = 4  # frames in contiguous memory, of which a Pi has little

# libcamera names a format by its bits from the highest, memory holds the lowest byte first.
_CONVERSIONS: Mapping[str, int | None] = {
    "BGR888": None,
    "RGB888": cv2.COLOR_BGR2RGB,
    "XBGR8888": cv2.COLOR_RGBA2RGB,
    "XRGB8888": cv2.COLOR_BGRA2RGB,
    "YUV420": cv2.COLOR_YUV2RGB_I420,
    "YVU420": cv2.COLOR_YUV2RGB_YV12,
    "NV12": cv2.COLOR_YUV2RGB_NV12,
    "NV21": cv2.COLOR_YUV2RGB_NV21,
    "YUYV": cv2.COLOR_YUV2RGB_YUYV,
    "MJPEG": None,  # picamera2 decodes it
}


def frames(wish: CameraConfig, reports: Reports) -> Frames:
    """The frames of a CSI camera, whatever format it gives them in.

    Raises CameraError where picamera2 or the camera is missing, and when no frame comes.
    """
    camera = _opened(wish.source)
    try:
        given = _configured(camera, wish)
        camera.start()
    except RuntimeError as error:
        raise CameraError(
            f"{wish.source}: cannot be set up as {wish.width}x{wish.height} ({error}); "
            "expected a camera that no other program uses and a size that it can give"
        ) from error
    if given["format"] not in _CONVERSIONS:
        raise CameraError(
            f"{wish.source}: gives {given['format']}; expected one of {', '.join(_CONVERSIONS)}"
        )
    reports.delivers(_delivers(camera, wish.source, given))
    return _frames(camera, wish.source, given)


def _opened(source: str) -> Any:
    """A Picamera2, which publishes no types."""
    if not (found := re.fullmatch(r"picamera2(?::(\d))?", source)):
        raise SettingError(
            f"camera {source!r} is not understood; expected picamera2 or picamera2:1"
        )
    os.environ.setdefault("LIBCAMERA_LOG_LEVELS", "*:WARN")
    try:
        from picamera2 import Picamera2
    except (ImportError, ValueError) as error:  # ValueError: made for another numpy
        raise CameraError(
            f"{source}: the package picamera2 does not load ({error}); expected the system's own: "
            "sudo apt install python3-picamera2 --no-install-recommends, and a venv that sees it, "
            "made with python3 -m venv --system-site-packages"
        ) from error
    try:
        return Picamera2(int(found[1] or 0))
    except (RuntimeError, IndexError) as error:
        raise CameraError(
            f"{source}: no such camera can be opened ({error.__cause__ or error}); expected one "
            "that `rpicam-hello --list-cameras` lists and no other program uses: see how its "
            "cable sits"
        ) from error


def _configured(camera: Any, wish: CameraConfig) -> Mapping[str, Any]:
    """Ask for R, G, B in memory; gives what the main stream has become: its format and size.

    Without a queue a frame that was asked for is always taken after that.
    """
    controls = {}
    if wish.fps and "FrameDurationLimits" in camera.camera_controls:
        controls["FrameDurationLimits"] = (round(1e6 / wish.fps),) * 2  # microseconds
    main = {"format": "BGR888", "size": (wish.width, wish.height)}
    camera.configure(
        camera.create_video_configuration(
            main=main, buffer_count=BUFFERS, queue=False, controls=controls
        )
    )
    given: Mapping[str, Any] = camera.camera_configuration()["main"]
    return given


def _delivers(camera: Any, source: str, given: Mapping[str, Any]) -> str:
    width, height = given["size"]
    duration_us = _waited(camera, source, camera.capture_metadata).get("FrameDuration")
    rate = f" {1e6 / duration_us:.4g}/s" if duration_us else ""
    return f"{width}x{height} {given['format']}{rate}"


def _frames(camera: Any, source: str, given: Mapping[str, Any]) -> Frames:
    for number in count(1):
        begin = time.perf_counter()
        captured = _waited(camera, source, camera.capture_array)
        picture_rgb = _rgb(captured, given)
        capture_ms = 1000 * (time.perf_counter() - begin)
        try:
            yield Frame(number, picture_rgb, time.time(), capture_ms, source)
        except GeneratorExit:
            camera.close()
            raise


def _waited(camera: Any, source: str, capture: Any) -> Any:
    """What a capture gives within WAIT_S."""
    try:
        return capture(wait=WAIT_S)
    except TimeoutError as error:
        atexit.unregister(camera.close)
        raise CameraError(
            f"{source}: gave no frame for {WAIT_S:.0f} s; see how its cable sits, and "
            "`dmesg` for what the kernel says of it"
        ) from error


def _rgb(captured: np.ndarray[Any, np.dtype[np.uint8]], given: Mapping[str, Any]) -> Image:
    """As R, G, B. Rows of a few formats are longer than the picture is wide."""
    conversion, width = _CONVERSIONS[given["format"]], given["size"][0]
    if conversion is not None:
        captured = np.asarray(cv2.cvtColor(captured, conversion), np.uint8)
    return np.ascontiguousarray(captured[:, :width])
