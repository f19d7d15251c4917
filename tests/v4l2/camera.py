"""The V4L2 camera on a real /dev/video0: the kernel's test driver, vivid.

`make test-v4l2` runs it in a virtual machine, as root. It prints what it saw and raises errors.
"""

import sys
from itertools import islice
from pathlib import Path

import numpy as np

from vedette_edge.cameras import open_frames
from vedette_edge.cameras.config import CameraConfig, Frames
from vedette_edge.errors import CameraError
from vedette_edge.images.preprocessing import Image

DRIVER = Path("/sys/bus/platform/drivers/vivid")  # unbinding it is pulling the plug
BARS_RGB = ((1, 1, 1), (1, 1, 0), (0, 1, 1), (0, 1, 0), (1, 0, 1), (1, 0, 0), (0, 0, 1), (0, 0, 0))


def main() -> None:
    frames = open_camera("v4l2:0", 640, 480)
    seen = list(islice(frames, 20))
    assert [frame.number for frame in seen] == list(range(1, 21))
    assert {frame.image_rgb.shape for frame in seen} == {(480, 640, 3)}
    assert not np.array_equal(seen[0].image_rgb, seen[-1].image_rgb), "nothing moves"
    assert list_colours(seen[-1].image_rgb) == list(BARS_RGB), list_colours(seen[-1].image_rgb)
    report("20 frames, colours right")

    (DRIVER / "unbind").write_text("vivid.0")
    report(f"pulled out: {find_failure(frames)}")
    report(f"absent: {find_open_failure()}")
    (DRIVER / "bind").write_text("vivid.0")
    frames = open_camera("/dev/video0", 320, 180)
    assert next(frames).image_rgb.shape == (180, 320, 3)
    report("put back: frames again")
    frames.close()


def open_camera(source: str, width: int, height: int) -> Frames:
    return open_frames(CameraConfig(source, width, height), lambda event: report(event.detail))


def list_colours(image_rgb: Image) -> list[tuple[int, ...]]:
    """List which of R, G and B are lit, for each of the eight bars at the bottom."""
    bars = image_rgb[-20, 40::80] > 100
    return [tuple(map(int, bar)) for bar in bars]


def find_failure(frames: Frames) -> CameraError:
    try:
        for _ in islice(frames, 50):
            pass
    except CameraError as error:
        return error
    raise AssertionError("frames come from a camera that was pulled out")


def find_open_failure() -> CameraError:
    try:
        open_camera("v4l2:0", 640, 480)
    except CameraError as error:
        return error
    raise AssertionError("a camera opens that was pulled out")


def report(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
