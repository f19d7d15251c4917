"""The settings of a camera, its frames, and the events that it reports."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Literal

from vedette_edge.cameras.address import hide_secrets
from vedette_edge.images.preprocessing import Image


@dataclass(frozen=True, slots=True)
class CameraConfig:
    """Settings of a camera. It may deliver another size or rate, and reports which."""

    source: str  # as in --camera; cameras.CAMERAS lists the forms
    width: int = 640  # px
    height: int = 480  # px
    live: bool = False  # play a video file at its own rate
    loop: bool = False  # start files again at their end
    follow: bool = False  # wait for new images in a folder
    certificate: str = ""  # PEM file that a camera's certificate must match; empty: the system's
    looked_until: str = ""  # detail of the last "looked" of the process before, which was replaced

    @property
    def name(self) -> str:
        """The source, safe to print and to log: of an address, scheme, host and port alone."""
        return hide_secrets(self.source)


EventKind = Literal[
    "opened",  # detail: what the source delivers, such as "640x480 MJPG 30/s"
    "looked",  # there is no frame, but a look has ended; a folder's detail says how far it came
    "reading",  # detail: the file that is read next; should that hang or kill, it can be named
    "frozen",  # frames come, but have been identical to the bit for minutes
    "skipped_file",  # detail: the file or image that cannot be read, and why
    "failed",  # detail: the error; the camera may work after a restart
    "masked",  # detail: the size of the frames that the masks are for, such as "640x480"
    "misconfigured",  # detail: the error; a restart does not help
    "ended",
    "lost",  # detail: the reason; once per outage
    "restored",  # with `lost_s`; once per outage
]


@dataclass(frozen=True, slots=True)
class CameraEvent:
    """An event in the life of a camera."""

    kind: EventKind
    detail: str = ""
    lost_s: float = 0.0  # duration of the outage, for "restored"


OnCameraEvent = Callable[[CameraEvent], None]


@dataclass(frozen=True, slots=True)
class Frame:
    """An image from a camera, and when it was captured."""

    number: int  # counted by the camera from 1; a gap means dropped frames
    image_rgb: Image  # contiguous and never written to again
    seen_at: float  # seconds since the epoch, UTC
    capture_ms: float  # from the request to the image
    source: str  # the file, or the camera
    position_s: float = -1.0  # in a video file, counted on by --loop; negative for other sources


Frames = Generator[Frame, None, None]  # the user closes it
