"""A Raspberry Pi camera on the CSI connector, through libcamera: picamera2 or picamera2:1.

Once a camera has stopped delivering frames, `close` may wait for ever, and a second Picamera2 in
one process leaks memory. After a CameraError, end the process and retry in a new one.
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
from numpy.typing import NDArray

from vedette_edge.cameras.config import CameraConfig, CameraEvent, Frame, Frames, OnCameraEvent
from vedette_edge.errors import CameraError, SettingError
from vedette_edge.images.preprocessing import Image

TIMEOUT_S = 5.0  # for a frame
BUFFERS = 4  # frames in contiguous memory, which is scarce on a Pi

# libcamera names a format from its highest bits; memory holds the lowest byte first.
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


def open_frames(config: CameraConfig, on_event: OnCameraEvent) -> Frames:
    """The frames of a CSI camera, converted to RGB from any format that it delivers.

    Raises CameraError if picamera2 or the camera is missing, and when no frame arrives.
    """
    camera = _open_camera(config.source)
    try:
        stream = _configure(camera, config)
        camera.start()
    except RuntimeError as error:
        raise CameraError(
            f"{config.source}: cannot be set up as {config.width}x{config.height} ({error}); "
            "expected a size that the camera supports, and a camera that no other program uses"
        ) from error
    if stream["format"] not in _CONVERSIONS:
        raise CameraError(
            f"{config.source}: delivers format {stream['format']}; "
            f"expected one of {', '.join(_CONVERSIONS)}"
        )
    on_event(CameraEvent("opened", _describe_stream(camera, config.source, stream)))
    return _read_frames(camera, config.source, stream)


def _open_camera(source: str) -> Any:
    """Open a Picamera2, which has no type hints. Raises CameraError and SettingError."""
    if not (match := re.fullmatch(r"picamera2(?::(\d))?", source)):
        raise SettingError(f"camera {source!r} is not valid; expected picamera2 or picamera2:1")
    os.environ.setdefault("LIBCAMERA_LOG_LEVELS", "*:WARN")
    try:
        from picamera2 import Picamera2  # optional: only a Raspberry Pi has it
    except (ImportError, ValueError) as error:  # ValueError: built for another numpy
        raise CameraError(
            f"{source}: cannot import the package picamera2 ({error}); install the system's: "
            "sudo apt install python3-picamera2 --no-install-recommends, and use a venv that sees "
            "it, created with python3 -m venv --system-site-packages"
        ) from error
    try:
        return Picamera2(int(match[1] or 0))
    except (RuntimeError, IndexError) as error:
        raise CameraError(
            f"{source}: cannot be opened ({error.__cause__ or error}); expected a camera that "
            "`rpicam-hello --list-cameras` lists and no other program uses. Check the ribbon cable"
        ) from error


def _configure(camera: Any, config: CameraConfig) -> Mapping[str, Any]:
    """Ask for RGB; return the format and size that the main stream has taken.

    Without a queue, a capture always returns a frame that was taken after the request.
    """
    main = {"format": "BGR888", "size": (config.width, config.height)}
    configuration = camera.create_video_configuration(main=main, buffer_count=BUFFERS, queue=False)
    camera.configure(configuration)
    stream: Mapping[str, Any] = camera.camera_configuration()["main"]
    return stream


def _describe_stream(camera: Any, source: str, stream: Mapping[str, Any]) -> str:
    width, height = stream["size"]
    duration_us = _wait_for(camera, source, camera.capture_metadata).get("FrameDuration")
    rate = f" {1e6 / duration_us:.4g}/s" if duration_us else ""
    return f"{width}x{height} {stream['format']}{rate}"


def _read_frames(camera: Any, source: str, stream: Mapping[str, Any]) -> Frames:
    for number in count(1):
        begin = time.perf_counter()
        captured = _wait_for(camera, source, camera.capture_array)
        image_rgb = _convert_to_rgb(captured, stream)
        capture_ms = 1000 * (time.perf_counter() - begin)
        try:
            yield Frame(number, image_rgb, time.time(), capture_ms, source)
        except GeneratorExit:
            camera.close()
            raise


def _wait_for(camera: Any, source: str, capture: Any) -> Any:
    """Call `capture` and wait for its result, up to TIMEOUT_S. Raises CameraError."""
    try:
        return capture(wait=TIMEOUT_S)
    except TimeoutError as error:
        atexit.unregister(camera.close)
        raise CameraError(
            f"{source}: delivered no frame for {TIMEOUT_S:.0f} s; check the ribbon cable, and "
            "`dmesg` for messages of the kernel"
        ) from error


def _convert_to_rgb(captured: NDArray[np.uint8], stream: Mapping[str, Any]) -> Image:
    """Convert to RGB. In some formats a row in memory is longer than the image is wide."""
    conversion, width = _CONVERSIONS[stream["format"]], stream["size"][0]
    if conversion is not None:
        captured = np.asarray(cv2.cvtColor(captured, conversion), np.uint8)
    return np.ascontiguousarray(captured[:, :width])
