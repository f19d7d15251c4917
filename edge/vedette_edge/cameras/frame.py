"""One picture from a camera."""

from collections.abc import Generator
from dataclasses import dataclass

from vedette_edge.prepare import Picture


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture from a camera, and when it was taken."""

    number: int  # counted by the camera from 1; a gap means that frames were overtaken
    picture_rgb: Picture  # contiguous, and nobody writes to it any more
    seen_at: float  # seconds since the epoch, UTC
    capture_ms: float  # from asking the camera to having the picture
    source: str  # the file it came from, or the camera


Frames = Generator[Frame, None, None]  # closed when its user is done
