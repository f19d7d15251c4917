"""A stand-in for picamera2 without a camera: the calls that Vedette uses, as on a Pi.

Modelled on picamera2 0.3.38: names of formats start with the highest byte, so that "RGB888" is
B, G, R in memory; rows of YUV420 may be padded; the camera may adjust a request; a capture waits
for ever by default, and one that timed out stays queued, so that `stop` hangs. A test fills CAMERAS
and puts this module in the package's place.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]


@dataclass
class Hardware:
    """A camera that is plugged in."""

    image_rgb: Image
    gives: str = ""  # format that it delivers; empty: the requested one
    adjusts: tuple[int, int] | None = None  # size that it delivers; None: the requested one
    padding: int = 0  # bytes at the end of each row
    frames: int = 1_000_000  # then it delivers nothing more, as if its cable had slipped
    busy: bool = False
    rate: float | None = 30.0  # frames/s; None: neither readable nor adjustable
    closed: int = 0
    asked: dict[str, Any] = field(default_factory=dict)


CAMERAS: list[Hardware] = []


class Picamera2:
    def __init__(self, camera_num: int = 0) -> None:
        if camera_num >= len(CAMERAS):
            raise RuntimeError(f"No camera number {camera_num} found")
        self._hardware = CAMERAS[camera_num]
        if self._hardware.busy:
            cause = RuntimeError("Failed to acquire camera: Device or resource busy")
            raise RuntimeError("Camera __init__ sequence did not complete.") from cause
        self._config: dict[str, Any] = {}
        self._started, self._left, self._abandoned = False, self._hardware.frames, False

    @property
    def camera_controls(self) -> Mapping[str, tuple[int, int, int]]:
        known = {"AeEnable": (0, 1, 1)}
        return known | ({"FrameDurationLimits": (11111, 10**6, 0)} if self._hardware.rate else {})

    def create_video_configuration(
        self,
        main: Mapping[str, Any],
        buffer_count: int = 6,
        controls: Mapping[str, Any] | None = None,
        queue: bool = True,
    ) -> dict[str, Any]:
        width, height = main["size"]
        even = (width - width % 2, height - height % 2)
        return {
            "main": {**main, "size": even},
            "buffer_count": buffer_count,
            "queue": queue,
            "controls": self._default_controls() | dict(controls or {}),
        }

    def _default_controls(self) -> dict[str, Any]:
        return {"FrameDurationLimits": (33333, 33333)} if self._hardware.rate else {}

    def configure(self, camera_config: dict[str, Any]) -> None:
        if self._started:
            raise RuntimeError("Camera must be stopped before configuring")
        main = camera_config["main"]
        if 0 in main["size"]:
            raise RuntimeError(f"Invalid camera configuration: {camera_config}")
        for name in camera_config["controls"].keys() - self.camera_controls.keys():
            raise RuntimeError(f"Control {name} is not advertised by libcamera")
        self._hardware.asked = camera_config
        stream = {
            "format": self._hardware.gives or main["format"],
            "size": self._hardware.adjusts or main["size"],
        }
        self._config = {**camera_config, "main": stream}

    def camera_configuration(self) -> dict[str, Any]:
        return self._config

    def start(self) -> None:
        if not self._config:
            raise RuntimeError("Camera has not been configured")
        self._started = True

    def capture_array(self, name: str = "main", wait: float | None = None) -> NDArray[np.uint8]:
        self._wait_for_frame(wait)
        main = self._config[name]
        width, height = main["size"]
        image_rgb = np.asarray(cv2.resize(self._hardware.image_rgb, (width, height)), np.uint8)
        return _LAYOUTS[main["format"]](image_rgb, self._hardware.padding)

    def capture_metadata(self, wait: float | None = None) -> dict[str, Any]:
        self._wait_for_frame(wait)
        if not self._hardware.rate:
            return {}
        shortest_us = self._config["controls"]["FrameDurationLimits"][0]
        return {"FrameDuration": max(shortest_us, round(1e6 / self._hardware.rate))}

    def close(self) -> None:
        if self._abandoned:
            threading.Event().wait()  # `stop` is queued behind a capture that never ends
        self._started = False
        self._hardware.closed += 1

    def _wait_for_frame(self, wait: float | None) -> None:
        if self._left == 0:
            self._abandoned = True
            threading.Event().wait(wait)
            raise TimeoutError
        self._left -= 1


def _pack(code: int | None) -> Callable[[Image, int], NDArray[np.uint8]]:
    """Return a conversion to an RGB format; picamera2 removes the padding."""

    def convert(image_rgb: Image, _: int) -> NDArray[np.uint8]:
        return np.asarray(image_rgb if code is None else cv2.cvtColor(image_rgb, code), np.uint8)

    return convert


def _split_planes(image_rgb: Image) -> tuple[Image, Image, Image]:
    """Split an image into Y, and U and V at half its height and width."""
    height, width = image_rgb.shape[:2]
    planar = np.asarray(cv2.cvtColor(image_rgb, cv2.COLOR_RGB2YUV_I420), np.uint8).ravel()
    y, u, v = np.split(planar, (height * width, height * width * 5 // 4))
    half = (height // 2, width // 2)
    return y.reshape(height, width), u.reshape(half), v.reshape(half)


def _convert_to_yuv420(image_rgb: Image, padding: int) -> NDArray[np.uint8]:
    """Put three planes in one array, as wide as a row in memory; chroma rows are half as long."""
    y, u, v = _split_planes(image_rgb)
    rows = [np.pad(y, ((0, 0), (0, padding)))]
    rows += [np.pad(plane, ((0, 0), (0, padding // 2))) for plane in (u, v)]
    return np.concatenate([row.ravel() for row in rows]).reshape(-1, y.shape[1] + padding)


def _convert_to_nv12(image_rgb: Image, _: int) -> NDArray[np.uint8]:
    """Put Y before interleaved U and V; picamera2 removes the padding."""
    y, u, v = _split_planes(image_rgb)
    return np.vstack([y, np.dstack([u, v]).reshape(-1, y.shape[1])])


def _convert_to_yuyv(image_rgb: Image, padding: int) -> NDArray[np.uint8]:
    """Pack rows as Y U Y V, two bytes a pixel, with padding."""
    y, u, v = _split_planes(image_rgb)
    height, width = y.shape
    packed = np.zeros((height, width + padding // 2, 2), np.uint8)
    packed[:, :width, 0] = y
    packed[:, 0:width:2, 1] = np.repeat(u, 2, axis=0)
    packed[:, 1:width:2, 1] = np.repeat(v, 2, axis=0)
    return packed


_LAYOUTS: Mapping[str, Callable[[Image, int], NDArray[np.uint8]]] = {
    "BGR888": _pack(None),
    "RGB888": _pack(cv2.COLOR_RGB2BGR),
    "XBGR8888": _pack(cv2.COLOR_RGB2RGBA),
    "XRGB8888": _pack(cv2.COLOR_RGB2BGRA),
    "YUV420": _convert_to_yuv420,
    "NV12": _convert_to_nv12,
    "YUYV": _convert_to_yuyv,
    "MJPEG": _pack(None),
    "RGB161616": _pack(None),
}
