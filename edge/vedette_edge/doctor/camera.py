"""Checks of the camera: frames, their rate and age, and the picture, over some seconds."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from vedette_edge.cameras import find_camera
from vedette_edge.cameras.config import CameraConfig, CameraEvent, EventKind
from vedette_edge.capture.frame_buffer import FrameInfo
from vedette_edge.capture.orientation import Orientation
from vedette_edge.capture.region import WHOLE, Region
from vedette_edge.capture.supervisor import Supervisor, Timeouts
from vedette_edge.capture.worker import CaptureConfig
from vedette_edge.doctor import FAULT, OK, WARNING, Finding, test_chart
from vedette_edge.errors import CameraError, SettingError
from vedette_edge.images.preprocessing import Image

DARK, BRIGHT = 8, 247  # mean of all pixels, of 255
MIN_FRAMES = 5  # to call the picture frozen
MAX_AGE_MS = 500.0  # from capture until the frame is ready to be classified
FIRST_FRAME_S = Timeouts().first_silence_s  # limit for the camera to open and deliver
LOOK_S = 3.0  # after the first frame


@dataclass(frozen=True, slots=True)
class _ProbeInput:
    height: int = 120  # px
    width: int = 160  # px
    resize_mode: str = "squash"
    resize_rule: str = "box-linear-exact-1"


PROBE_INPUT = _ProbeInput()  # the InputSpec of this check, independent of any model


@dataclass(slots=True)
class _Seen:
    """The frames of a camera, and its events."""

    details: dict[EventKind, str] = field(default_factory=dict)  # of the last event of each kind
    last: Image | None = None
    frozen: bool = True  # all frames are equal, bit for bit
    means: list[float] = field(default_factory=list)
    ages_ms: list[float] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    times_s: list[float] = field(default_factory=list)

    def add_frame(self, info: FrameInfo, image_rgb: Image) -> None:
        """Add a frame. To save memory only the last image is kept."""
        self.times_s.append(time.monotonic())
        self.numbers.append(info.number)
        self.ages_ms.append(1000 * (self.times_s[-1] - info.taken_s))
        self.means.append(float(image_rgb.mean()))
        self.frozen &= self.last is None or np.array_equal(image_rgb, self.last)
        self.last = image_rgb.copy()

    def note_event(self, event: CameraEvent) -> None:
        """Keep what an event of the camera says."""
        self.details[event.kind] = event.detail


@dataclass(frozen=True, slots=True)
class FrameSettings:
    """The settings of what happens to a frame before it is classified."""

    orientation: Orientation
    regions: tuple[Region, ...] = ()
    masks: tuple[Region, ...] = ()


def check_camera(
    config: CameraConfig, settings: FrameSettings, *, with_chart: bool
) -> Iterator[Finding]:
    """Check frames, rate, age and picture, and with a chart the orientation.

    Regions and masks must lie within the frame; that is all that is checked of them.
    """
    parts = (WHOLE, *settings.regions)
    plan = CaptureConfig(
        config, settings.orientation, PROBE_INPUT, parts, 0.0, 0.0, False, settings.masks
    )
    seen = _watch_frames(plan)
    if seen.last is None:
        silence = f"no frame within {FIRST_FRAME_S:.0f} s"
        detail = seen.details.get("lost") or seen.details.get("skipped_file") or silence
        if not detail.startswith(config.name):
            detail = f"{config.name}: {detail}"
        fix = "" if "misconfigured" in seen.details else _suggest_fix(config)
        yield Finding("camera", FAULT, detail, fix)
        return
    yield _check_rate(config, seen)
    yield _check_image(seen)
    if settings.masks:
        count = len(settings.masks)
        detail = f"{count} part{'s' * (count > 1)} of the picture black, for the network, too"
        yield Finding("mask", OK, detail)
    if with_chart:
        yield test_chart.detect_orientation(seen.last)


def _watch_frames(plan: CaptureConfig) -> _Seen:
    seen = _Seen()
    try:
        with Supervisor(plan, seen.note_event, restarts=find_camera(plan.camera).endless) as frames:
            until_s = time.monotonic() + FIRST_FRAME_S
            while time.monotonic() < until_s and not frames.ended and "lost" not in seen.details:
                if frame := frames.next_frame(0.2):
                    info, (image_rgb, *_) = frame
                    seen.add_frame(info, image_rgb)
                    until_s = seen.times_s[0] + LOOK_S
    except SettingError as error:  # which says what to change
        seen.details["lost"] = seen.details["misconfigured"] = str(error)
    except CameraError as error:
        seen.details["lost"] = str(error)
    return seen


def _check_rate(config: CameraConfig, seen: _Seen) -> Finding:
    count, span_s = seen.numbers[-1] - seen.numbers[0], seen.times_s[-1] - seen.times_s[0]
    age_ms = float(np.median(seen.ages_ms))
    rate = f"{count / span_s:.1f} frames/s" if count and span_s else "one frame"
    delivered = f"{config.name} delivers {seen.details.get('opened', '')}"
    detail = f"{delivered}: {rate}, {age_ms:.0f} ms old when prepared"
    if failure := seen.details.get("lost"):
        return Finding("camera", FAULT, f"{detail}; then {failure}", _suggest_fix(config))
    if age_ms > MAX_AGE_MS:
        return Finding("camera", WARNING, detail, "use a smaller size: --size 640x480")
    return Finding("camera", OK, detail)


def _check_image(seen: _Seen) -> Finding:
    mean = float(np.mean(seen.means))
    if mean < DARK:
        return Finding("picture", WARNING, "it is black", "take off the lens cap, turn on a light")
    if mean > BRIGHT:
        return Finding("picture", WARNING, "it is white", "reduce the light")
    if len(seen.means) < MIN_FRAMES:
        return Finding("picture", OK, f"its mean is {mean:.0f} of 255")
    if seen.frozen:
        detail = "it is frozen: all frames are the same, bit for bit"
        fix = "move something before the camera and try again; if that does not help, replug it"
        return Finding("picture", WARNING, detail, fix)
    return Finding("picture", OK, f"it changes; its mean is {mean:.0f} of 255")


def _suggest_fix(config: CameraConfig) -> str:
    source = config.source
    if source.startswith("picamera2"):
        return "rpicam-hello --list-cameras  # if none: power off, then reseat the ribbon cable"
    if source.startswith(("v4l2:", "/dev/")):
        return "ls -l /dev/video*; sudo fuser -v /dev/video*  # missing, or in use"
    if "://" in source:
        transport = "-rtsp_transport tcp " * source.startswith("rtsp")
        return f"ffprobe {transport}'{config.name}'  # from ffmpeg; add user, password and path"
    return "vedette run --help  # lists the forms of --camera"
