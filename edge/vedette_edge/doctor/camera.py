"""Does the camera really deliver? It is asked as the watch asks it, for some seconds."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from vedette_edge.cameras import Wish, camera_of
from vedette_edge.capture_process import Plan
from vedette_edge.doctor import FAULT, OK, WARNING, Finding, chart
from vedette_edge.errors import CameraError, SettingError
from vedette_edge.mounting import Mounting
from vedette_edge.prepare import Picture
from vedette_edge.region import WHOLE
from vedette_edge.supervisor import FIRST_SILENCE_S, Supervisor

LOOK_S = 3.0  # from the first frame on
DARK, BRIGHT = 8, 247  # mean of all pixels, of 255
LEAST_FRAMES = 5  # that tell whether the picture stands still
FRESH_MS = 500.0  # how old a frame may be when it is there to be classified


@dataclass(frozen=True, slots=True)
class Eye:
    """How the doctor looks at frames, whatever the model: the Framing of `prepare`."""

    height: int = 120  # px
    width: int = 160  # px
    fit: str = "squash"
    resize: str = "box-linear-exact-1"


@dataclass(slots=True)
class _Seen:
    """What came, and what was told. The Told of the supervisor."""

    delivered: str = ""
    failure: str = ""
    pictures: list[Picture] = field(default_factory=list)
    ages_ms: list[float] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    first_s: float = 0.0
    last_s: float = 0.0

    def delivers(self, line: str) -> None:
        self.delivered = line

    def left_out(self, line: str) -> None:
        self.failure = line

    def lost(self, reason: str) -> None:
        self.failure = reason

    def back(self, lost_s: float) -> None:
        pass


def camera(wish: Wish, mounting: Mounting, *, with_chart: bool) -> Iterator[Finding]:
    """Frames, their rate and age, whether they change; and the chart, if one is shown."""
    seen = _Seen()
    try:
        plan = Plan(wish, mounting, Eye(), (WHOLE,), most_fps=0, motion=0, every=False)
        with Supervisor(plan, seen, restarts=camera_of(wish).endless) as frames:
            _look(frames, seen)
    except (CameraError, SettingError) as error:
        seen.failure = str(error)
    if not seen.pictures:
        found = seen.failure or f"no frame within {FIRST_SILENCE_S:.0f} s"
        named = found if found.startswith(wish.name) else f"{wish.name}: {found}"
        yield Finding("camera", FAULT, named, _mend(wish.source))
        return
    yield _rate(wish, seen)
    yield from _pictures(seen.pictures)
    if with_chart:
        yield chart.judge(seen.pictures[-1])


def _look(frames: Supervisor, seen: _Seen) -> None:
    until_s = time.monotonic() + FIRST_SILENCE_S
    while time.monotonic() < until_s and not frames.ended and not seen.failure:
        if found := frames.take(0.2):
            about, parts = found
            now_s = time.monotonic()
            if not seen.pictures:
                until_s, seen.first_s = now_s + LOOK_S, now_s
            seen.last_s = now_s
            seen.numbers.append(about.number)
            seen.ages_ms.append(1000 * (now_s - about.taken_s) + about.capture_ms)
            seen.pictures.append(parts[0].copy())


def _rate(wish: Wish, seen: _Seen) -> Finding:
    came, span_s = seen.numbers[-1] - seen.numbers[0], seen.last_s - seen.first_s
    age_ms = float(np.median(seen.ages_ms))
    rate = f"{came / span_s:.1f} frames/s" if came and span_s else "a frame"
    found = f"{wish.name} delivers {seen.delivered}: {rate}, {age_ms:.0f} ms old when prepared"
    if seen.failure:
        return Finding("camera", FAULT, f"{found}; then {seen.failure}", _mend(wish.source))
    if age_ms > FRESH_MS:
        return Finding("camera", WARNING, found, "ask it for less: --size 640x480")
    return Finding("camera", OK, found)


def _pictures(pictures: list[Picture]) -> Iterator[Finding]:
    mean = float(np.mean([picture.mean() for picture in pictures]))
    if not DARK <= mean <= BRIGHT:
        how = "black" if mean < DARK else "white"
        mend = "take off the lens cap, make light" if mean < DARK else "make less light"
        yield Finding("picture", WARNING, f"it is {how}", mend)
    elif len(pictures) >= LEAST_FRAMES and all((one == pictures[0]).all() for one in pictures):
        mend = "move something before the camera and try again; if that changes nothing, replug it"
        yield Finding(
            "picture", WARNING, "all frames are the same to the bit: it stands still", mend
        )
    else:
        yield Finding("picture", OK, f"it changes; its mean is {mean:.0f} of 255")


def _mend(source: str) -> str:
    if source.startswith("picamera2"):
        return "rpicam-hello --list-cameras  # none there: power off, then press its cable in anew"
    if source.startswith(("v4l2:", "/dev/")):
        return (
            "ls -l /dev/video*; sudo fuser -v /dev/video*  # none there, or another program has it"
        )
    if "://" in source:
        return f"ffprobe -rtsp_transport tcp '{source.partition('@')[2] or source}'"
    return "vedette run --help  # for the forms of --camera"
