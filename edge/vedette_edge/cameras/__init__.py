"""Where frames come from: one file each, all listed in CAMERAS.

A camera is a function that opens its source, raises CameraError if it cannot, tells what it
delivers, and gives frames, which are closed when done. None waits without a limit for a frame.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vedette_edge.cameras import (
    image_folder,
    network_stream,
    picamera2,
    stdin,
    synthetic,
    v4l2,
    video_file,
)
from vedette_edge.cameras.config import CameraConfig, Frame, Frames, Report, Reports
from vedette_edge.errors import CameraError


@dataclass(frozen=True, slots=True)
class Camera:
    """A kind of source."""

    form: str  # how --camera names it, for a person
    takes: Callable[[str], bool]  # whether a source is of this kind
    frames: Callable[[CameraConfig, Reports], Frames]
    endless: bool = False  # whether it has no end of its own: if it stops, it is tried again
    waits: Callable[[CameraConfig], bool] = lambda wish: (
        False
    )  # whether each frame is to be taken first


def _like(pattern: str) -> Callable[[str], bool]:
    return lambda source: bool(re.fullmatch(pattern, source))


def _is_folder(source: str) -> bool:
    return bool(source) and Path(source).is_dir()


def _is_there(source: str) -> bool:
    return bool(source) and Path(source).exists()


CAMERAS = (  # the first that takes a source has it
    Camera("picamera2[:1]", _like(r"picamera2(:.*)?"), picamera2.frames, endless=True),
    Camera(
        "/dev/video0 or v4l2:0", _like(r"/dev/(video|v4l/).+|v4l2:.*"), v4l2.frames, endless=True
    ),
    Camera(
        "rtsp://... or http://...",
        _like(r"(rtsps?|https?)://.+"),
        network_stream.frames,
        endless=True,
    ),
    Camera("-[:raw:WxH]", _like(r"-(:.*)?"), stdin.frames),
    Camera(
        "synthetic[:WxH[@RATE]]",
        _like(r"synthetic(:.*)?"),
        synthetic.frames,
        endless=True,
        waits=synthetic.waits,
    ),
    Camera("a folder of pictures", _is_folder, image_folder.frames),
    Camera("a video file", _is_there, video_file.frames),
)

__all__ = [
    "CAMERAS",
    "Camera",
    "CameraConfig",
    "Frame",
    "Frames",
    "Report",
    "Reports",
    "find_camera",
    "open_frames",
]


def open_frames(wish: CameraConfig, reports: Reports) -> Frames:
    """The frames of a source.

    Raises CameraError where it cannot be opened, which may be otherwise later, and SettingError
    where it is named in a way that is not understood.
    """
    return find_camera(wish).frames(wish, reports)


def find_camera(wish: CameraConfig) -> Camera:
    """The kind of source that is wished for. Raises CameraError if it is none."""
    for camera in CAMERAS:
        if camera.takes(wish.source):
            return camera
    forms = ", ".join(camera.form for camera in CAMERAS)
    raise CameraError(f"{wish.name!r} is not there; expected one of: {forms}")
