"""Does the camera really deliver? It is asked as the watch asks it, for some seconds."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from vedette_edge.cameras import CameraConfig, CameraEvent, find_camera
from vedette_edge.capture.frame_buffer import FrameInfo
from vedette_edge.capture.orientation import Orientation
from vedette_edge.capture.region import WHOLE, Region
from vedette_edge.capture.supervisor import Supervisor, Timeouts
from vedette_edge.capture.worker import CaptureConfig
from vedette_edge.doctor import FAULT, OK, WARNING, Finding, test_chart
from vedette_edge.errors import CameraError, SettingError
from vedette_edge.images.preprocessing import Image

FIRST_SILENCE_S = Timeouts().first_silence_s
LOOK_S = 3.0  # from the first frame on
DARK, BRIGHT = 8, 247  # mean of all pixels, of 255
LEAST_FRAMES = 5  # that tell whether the picture stands still
FRESH_MS = 500.0  # from a frame's coming to its being there to be classified


@dataclass(frozen=True, slots=True)
class Eye:
    """How the doctor looks at frames, whatever the model: the Framing of `prepare`."""

    height: int = 120  # px
    width: int = 160  # px
    resize_mode: str = "squash"
    resize_rule: str = "box-linear-exact-1"


@dataclass(slots=True)
class _Seen:
    """The frames of a camera, and its events."""

    delivered: str = ""
    failure: str = ""
    unread: str = ""  # what was left out last
    first: Image | None = None
    last: Image | None = None
    alike: bool = True  # whether all pictures are the first one, to the bit
    means: list[float] = field(default_factory=list)
    ages_ms: list[float] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    times_s: list[float] = field(default_factory=list)

    def frame(self, about: FrameInfo, picture: Image) -> None:
        """Of all the pictures two are kept: memory is small."""
        self.times_s.append(time.monotonic())
        self.numbers.append(about.number)
        self.ages_ms.append(1000 * (self.times_s[-1] - about.taken_s))
        self.means.append(float(picture.mean()))
        self.last = picture.copy()
        self.first = self.last if self.first is None else self.first
        self.alike = self.alike and bool((self.last == self.first).all())

    def note_event(self, event: CameraEvent) -> None:
        """Keep what an event of the camera says."""
        if event.kind == "opened":
            self.delivered = event.detail
        elif event.kind == "skipped_file":
            self.unread = event.detail
        elif event.kind == "lost":
            self.failure = event.detail


def check_camera(
    wish: CameraConfig, mounting: Orientation, regions: tuple[Region, ...] = (), *, with_chart: bool
) -> Iterator[Finding]:
    """Frames, their rate and age, whether they change; and the chart, if one is shown.

    Regions must lie within the frame, and are not looked at otherwise.
    """
    seen = _Seen()
    try:
        parts = (WHOLE, *regions)
        plan = CaptureConfig(wish, mounting, Eye(), parts, max_fps=0, motion=0, every_frame=False)
        with Supervisor(plan, seen.note_event, restarts=find_camera(wish).endless) as frames:
            _look(frames, seen)
    except (CameraError, SettingError) as error:
        seen.failure = str(error)
    if seen.last is None:
        found = seen.failure or seen.unread or f"no frame within {FIRST_SILENCE_S:.0f} s"
        named = found if found.startswith(wish.name) else f"{wish.name}: {found}"
        yield Finding("camera", FAULT, named, _mend(wish))
        return
    yield _rate(wish, seen)
    yield _picture(seen)
    if with_chart:
        yield test_chart.judge(seen.last)


def _look(frames: Supervisor, seen: _Seen) -> None:
    until_s = time.monotonic() + FIRST_SILENCE_S
    while time.monotonic() < until_s and not frames.ended and not seen.failure:
        if found := frames.next_frame(0.2):
            about, (picture, *_) = found
            seen.frame(about, picture)
            until_s = seen.times_s[0] + LOOK_S


def _rate(wish: CameraConfig, seen: _Seen) -> Finding:
    came, span_s = seen.numbers[-1] - seen.numbers[0], seen.times_s[-1] - seen.times_s[0]
    age_ms = float(np.median(seen.ages_ms))
    rate = f"{came / span_s:.1f} frames/s" if came and span_s else "a frame"
    found = f"{wish.name} delivers {seen.delivered}: {rate}, {age_ms:.0f} ms old when prepared"
    if seen.failure:
        return Finding("camera", FAULT, f"{found}; then {seen.failure}", _mend(wish))
    if age_ms > FRESH_MS:
        return Finding("camera", WARNING, found, "ask it for less: --size 640x480")
    return Finding("camera", OK, found)


def _picture(seen: _Seen) -> Finding:
    mean = float(np.mean(seen.means))
    if mean < DARK:
        return Finding("picture", WARNING, "it is black", "take off the lens cap, make light")
    if mean > BRIGHT:
        return Finding("picture", WARNING, "it is white", "make less light")
    if len(seen.means) < LEAST_FRAMES:
        return Finding("picture", OK, f"its mean is {mean:.0f} of 255")
    if seen.alike:
        found = "all frames are the same to the bit: it stands still"
        mend = "move something before the camera and try again; if that changes nothing, replug it"
        return Finding("picture", WARNING, found, mend)
    return Finding("picture", OK, f"it changes; its mean is {mean:.0f} of 255")


def _mend(wish: CameraConfig) -> str:
    source = wish.source
    if source.startswith("picamera2"):
        return "rpicam-hello --list-cameras  # none there: power off, then press its cable in anew"
    if source.startswith(("v4l2:", "/dev/")):
        return (
            "ls -l /dev/video*; sudo fuser -v /dev/video*  # none there, or another program has it"
        )
    if "://" in source:
        transport = "-rtsp_transport tcp " * source.startswith("rtsp")
        return f"ffprobe {transport}'{wish.name}'  # of ffmpeg's, with the password if there is one"
    return "vedette run --help  # for the forms of --camera"
