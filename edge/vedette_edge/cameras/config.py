"""What is wanted of a source of frames, and what it tells of itself."""

import re
from collections.abc import Callable, Generator
from dataclasses import dataclass

from vedette_edge.images.preprocessing import Image

Report = Callable[[str], None]  # told something, in one line


@dataclass(frozen=True, slots=True)
class CameraConfig:
    """What is wanted. A camera may give other sizes and rates; it tells what it delivers."""

    source: str  # as --camera names it; cameras.CAMERAS lists the forms
    width: int = 640  # px
    height: int = 480  # px
    fps: float = 0.0  # frames/s; 0: the camera's own rate, and files as fast as possible
    live: bool = False  # whether a video file runs at its own rate
    loop: bool = False  # whether files start again at their end
    follow: bool = False  # whether a folder is watched for new pictures

    @property
    def name(self) -> str:
        """The source as it may be told: without user, password, and query, which may hold both.

        What stands before the last @ is left out, though RFC 3986 allows no /, ? or @ in a
        password: some have one.
        """
        if "://" not in self.source:
            return self.source
        return re.sub(r"\?.*", "?***", re.sub(r"//.*@", "//***@", self.source))


@dataclass(frozen=True, slots=True)
class Reports:
    """Who is told what a source has to say."""

    left_out: Report  # what could not be read
    delivers: Report  # what the source really gives, once after opening: "640x480 MJPG 30/s"


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture from a camera, and when it was taken."""

    number: int  # counted by the camera from 1; a gap means that frames were overtaken
    picture_rgb: Image  # contiguous, and nobody writes to it any more
    seen_at: float  # seconds since the epoch, UTC
    capture_ms: float  # from asking the camera to having the picture
    source: str  # the file it came from, or the camera


Frames = Generator[Frame, None, None]  # closed when its user is done
