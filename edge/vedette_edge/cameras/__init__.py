"""Where frames come from: one file each, all listed in CAMERAS.

A camera is a function that opens its source, raises CameraError if it cannot, and gives
frames, which are closed when done.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from vedette_edge.cameras import folder, video
from vedette_edge.cameras.frame import Frame, Frames
from vedette_edge.errors import CameraError

Report = Callable[[str], None]  # told of what was left out, in one line
Camera = Callable[[Path, Report], Frames]

CAMERAS: Mapping[str, Camera] = {
    "a folder of pictures": folder.frames,
    "a video file": video.frames,
}

__all__ = ["CAMERAS", "Camera", "Frame", "Frames", "Report", "open_camera"]


def open_camera(source: str, report: Report, *, live: bool = False) -> Frames:
    """The frames of a source. `live` plays a video at its own rate, as a camera would."""
    path = Path(source)
    if path.is_dir():
        return folder.frames(path, report)
    if path.is_file():
        return video.frames(path, report, live=live)
    raise CameraError(f"{source}: is not there; expected {' or '.join(CAMERAS)}")
