"""Frame sources: one file each, all listed in CAMERAS.

A camera is a function that opens its source, reports what it delivers, and returns a generator
of frames. It raises CameraError if it cannot open the source. No camera waits for a frame without
a time limit.
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass

from vedette_edge.cameras import (
    image_folder,
    network_stream,
    picamera2,
    stdin,
    synthetic,
    v4l2,
    video_file,
)
from vedette_edge.cameras.config import CameraConfig, Frames, OnCameraEvent
from vedette_edge.errors import CameraError


@dataclass(frozen=True, slots=True)
class Camera:
    """A kind of source."""

    form: str  # of --camera, for a person
    matches: Callable[[str], object]  # true for a source of this kind
    open_frames: Callable[[CameraConfig, OnCameraEvent], Frames]
    endless: bool = False  # it has no end of its own: restart it when it stops
    waits: Callable[[CameraConfig], bool] = lambda config: False  # each frame must be taken


CAMERAS = (  # the first match wins
    Camera(
        "picamera2[:1]",
        re.compile(r"picamera2(:.*)?").fullmatch,
        picamera2.open_frames,
        endless=True,
    ),
    Camera(
        "/dev/video0 or v4l2:0",
        re.compile(r"/dev/(video|v4l/).+|v4l2:.*").fullmatch,
        v4l2.open_frames,
        endless=True,
    ),
    Camera(
        "rtsp://... or http://...",
        re.compile(r"(rtsps?|https?)://.+").fullmatch,
        network_stream.open_frames,
        endless=True,
    ),
    Camera("-[:raw:WxH]", re.compile(r"-(:.*)?").fullmatch, stdin.open_frames),
    Camera(
        "synthetic[:WxH[@RATE]]",
        re.compile(r"synthetic(:.*)?").fullmatch,
        synthetic.open_frames,
        endless=True,
        waits=synthetic.has_no_rate,
    ),
    Camera("a folder of images", os.path.isdir, image_folder.open_frames),
    Camera("a video file", os.path.exists, video_file.open_frames),
)


def open_frames(config: CameraConfig, on_event: OnCameraEvent) -> Frames:
    """Open a source and return its frames.

    Raises CameraError if the source cannot be opened now, SettingError if its name is not valid.
    """
    return find_camera(config).open_frames(config, on_event)


def find_camera(config: CameraConfig) -> Camera:
    """Find the kind of a source. Raises CameraError if there is none."""
    for camera in CAMERAS:
        if camera.matches(config.source):
            return camera
    forms = ", ".join(camera.form for camera in CAMERAS)
    raise CameraError(f"{config.name!r} not found; expected one of: {forms}")
