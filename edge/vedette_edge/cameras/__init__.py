"""Where frames come from: one file each, all listed in CAMERAS.

A camera is a function that opens its source, raises CameraError if it cannot, and gives
frames, which are closed when done.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from vedette_edge.cameras import folder, video
from vedette_edge.cameras.frame import Frame, Frames, Report
from vedette_edge.errors import CameraError

Camera = Callable[[Path, Report, bool], Frames]  # the last: live, at the source's own rate

CAMERAS: Mapping[str, Camera] = {
    "a folder of pictures": folder.frames,
    "a video file": video.frames,
}

__all__ = ["CAMERAS", "Camera", "Frame", "Frames", "Report", "open_camera"]


def open_camera(source: str, report: Report, *, live: bool = False) -> Frames:
    """The frames of a source. `live` plays a video at its own rate, as a camera would."""
    path = Path(source)
    if not source or not path.exists():
        raise CameraError(
            f"{source!r} is not there; expected {' or '.join(CAMERAS)} "
            "(cameras themselves cannot be opened yet)"
        )
    kind = "a folder of pictures" if path.is_dir() else "a video file"
    return CAMERAS[kind](path, report, live)
