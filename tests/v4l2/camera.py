"""What the V4L2 camera does on a real /dev/video0: the kernel's test driver, vivid.

Run by `make test-v4l2` in a machine of its own, as root. Says what it saw; raises what is wrong.
"""

import sys
from itertools import islice
from pathlib import Path

import numpy as np

from vedette_edge.cameras import CameraConfig, Frames, Reports, open_frames
from vedette_edge.errors import CameraError
from vedette_edge.images.preprocessing import Image

DRIVER = Path("/sys/bus/platform/drivers/vivid")  # unbinding it is pulling the plug
BARS_RGB = ((1, 1, 1), (1, 1, 0), (0, 1, 1), (0, 1, 0), (1, 0, 1), (1, 0, 0), (0, 0, 1), (0, 0, 0))


def main() -> None:
    frames = opened("v4l2:0", 640, 480)
    seen = list(islice(frames, 20))
    assert [frame.number for frame in seen] == list(range(1, 21))
    assert {frame.picture_rgb.shape for frame in seen} == {(480, 640, 3)}
    assert not np.array_equal(seen[0].picture_rgb, seen[-1].picture_rgb), "nothing moves"
    assert colours(seen[-1].picture_rgb) == list(BARS_RGB), colours(seen[-1].picture_rgb)
    say("20 frames, colours right")

    (DRIVER / "unbind").write_text("vivid.0")
    say(f"pulled out: {failure(frames)}")
    say(f"absent: {failure_to_open()}")
    (DRIVER / "bind").write_text("vivid.0")
    frames = opened("/dev/video0", 320, 180)
    assert next(frames).picture_rgb.shape == (180, 320, 3)
    say("put back: frames again")
    frames.close()


def opened(source: str, width: int, height: int) -> Frames:
    return open_frames(CameraConfig(source, width, height), Reports(say, say))


def colours(picture_rgb: Image) -> list[tuple[int, ...]]:
    """Of each of the eight bars at the bottom, which of R, G and B are lit."""
    bars = picture_rgb[-20, 40::80] > 100
    return [tuple(map(int, bar)) for bar in bars]


def failure(frames: Frames) -> CameraError:
    try:
        for _ in islice(frames, 50):
            pass
    except CameraError as error:
        return error
    raise AssertionError("frames come from a camera that was pulled out")


def failure_to_open() -> CameraError:
    try:
        opened("v4l2:0", 640, 480)
    except CameraError as error:
        return error
    raise AssertionError("a camera opens that was pulled out")


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
