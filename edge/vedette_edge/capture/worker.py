"""The process that takes frames and prepares them, so that a camera can block, die or leak.

It is started by the supervisor with what it is to do on a pipe, which stays open: when the pipe
closes, its master has gone, and the kernel ends it as well. What it has to say goes down another,
a line of JSON each: {"delivers": ...}, {"left_out": ...}, {"failed": ...}, {"wrong": ...} where
trying again is of no use, {"ended": ...}.
"""

import fcntl
import json
import math
import os
import pickle
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass

from vedette_edge.cameras import CameraConfig, Frame, Frames, Reports, find_camera, open_frames
from vedette_edge.capture.frame_buffer import FrameBuffer, FrameInfo
from vedette_edge.capture.motion import Motion
from vedette_edge.capture.orientation import Orientation, crop_region, orient
from vedette_edge.capture.region import Region
from vedette_edge.errors import SettingError, VedetteError
from vedette_edge.images.preprocessing import Image, InputSpec, preprocess

LONGEST_SOURCE = 400  # bytes of a file's name that are handed over
# A still scene is looked at so often all the same: frames that are classified, and nothing else,
# tell systemd that the watch goes on.
LONGEST_STILL_S = 30.0


@dataclass(frozen=True, slots=True)
class CaptureConfig:
    """What the capture process is to do."""

    camera: CameraConfig
    orientation: Orientation
    input_spec: InputSpec
    regions: tuple[Region, ...]  # what is classified of each frame
    max_fps: float  # frames/s that are handed over; 0: all
    motion: float  # share of the picture that must change for it to be looked at, 0..1; 0: none
    every_frame: bool  # whether each frame is to be looked at, as of a folder, or the newest alone

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of what is handed over: parts x height x width x 3."""
        return (len(self.regions), self.input_spec.height, self.input_spec.width, 3)


Say = Callable[[str, str], None]  # kind, line


def main() -> None:
    """`python -m vedette_edge.capture.worker ORDERS SAYS MEMORY GIVEN TAKEN`: five descriptors."""
    orders, says, *shared = map(int, sys.argv[1:])
    with suppress(EOFError), open(orders, "rb", closefd=False) as order:
        plan: CaptureConfig = pickle.load(order)
    _end_with_master(orders)  # which may have gone before it said anything

    def say(kind: str, line: str) -> None:
        os.write(says, json.dumps({kind: line}).encode() + b"\n")

    handover = FrameBuffer(plan.shape, (shared[0], shared[1], shared[2]))
    try:
        capture(plan, handover, say)
    except SettingError as error:
        say("wrong", str(error))
    except (VedetteError, OSError) as error:
        say("failed", str(error))
    else:
        say("ended", "")
    sys.stdout.flush()
    os._exit(0)  # a camera's own threads may never end


def capture(plan: CaptureConfig, handover: FrameBuffer, say: Say) -> None:
    """Take, prepare and hand over frames until they end."""
    reports = Reports(
        left_out=lambda line: say("left_out", line), delivers=lambda line: say("delivers", line)
    )
    waits = plan.every_frame or find_camera(plan.camera).waits(plan.camera)
    with closing(open_frames(plan.camera, reports)) as frames:
        for frame, picture_rgb, skipped in _wanted(frames, plan, handover):
            taken_s, begin = time.monotonic(), time.perf_counter()
            for room, region in zip(handover.write_slot(), plan.regions, strict=True):
                room[:] = preprocess(crop_region(picture_rgb, region), plan.input_spec)
            prepare_ms = 1000 * (time.perf_counter() - begin)
            handover.publish(_about(frame, taken_s, prepare_ms, skipped))
            if waits:
                handover.wait_taken()


def _wanted(
    frames: Frames, plan: CaptureConfig, handover: FrameBuffer
) -> Iterator[tuple[Frame, Image, int]]:
    """The frames to look at, as the mounting turns them, and how many were skipped so far."""
    skipped, due_s, still_until_s = 0, 0.0, math.inf if plan.every_frame else 0.0
    motion = Motion(plan.motion) if plan.motion else None
    for frame in frames:
        picture_rgb = orient(frame.picture_rgb, plan.orientation)
        now_s = time.monotonic()
        if now_s < due_s or (motion and not motion.seen(picture_rgb) and now_s < still_until_s):
            skipped += 1
            handover.mark_skipped()
            continue
        if plan.max_fps:
            period_s = 1 / plan.max_fps
            # From when it was due, so that the rate is kept; from now, if that is long ago.
            due_s = (due_s if now_s - due_s < period_s else now_s) + period_s
        still_until_s = max(still_until_s, now_s + LONGEST_STILL_S)
        yield frame, picture_rgb, skipped


def _about(frame: Frame, taken_s: float, prepare_ms: float, skipped: int) -> FrameInfo:
    return FrameInfo(
        number=frame.number,
        seen_at=frame.seen_at,
        taken_s=taken_s,
        capture_ms=frame.capture_ms,
        prepare_ms=prepare_ms,
        skipped=skipped,
        source=os.fsencode(frame.source)[-LONGEST_SOURCE:],
    )


def _end_with_master(orders: int) -> None:
    """A kill by the kernel when the pipe closes, even where a camera lets no Python run."""
    fcntl.fcntl(orders, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(orders, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(orders, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
    with suppress(BlockingIOError):  # as long as it is open
        os.read(orders, 1)
        os._exit(0)


if __name__ == "__main__":
    main()
