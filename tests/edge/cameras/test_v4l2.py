"""USB cameras, through a stand-in for OpenCV's V4L2 capture; tests/v4l2 asks the kernel itself."""

import os
from collections.abc import Callable
from typing import ClassVar

import cv2
import numpy as np
import pytest
from tests.edge.conftest import EventLog

from vedette_edge.cameras import open_frames
from vedette_edge.cameras.config import CameraConfig, CameraEvent
from vedette_edge.errors import CameraError
from vedette_edge.images.preprocessing import Image

MJPG, YUYV = (cv2.VideoWriter.fourcc(*letters) for letters in ("MJPG", "YUYV"))


class Capture:
    """cv2.VideoCapture on a webcam: `set` is glad of anything, `get` tells what became of it.

    The format decides which sizes there are, so that it must be set first.
    """

    sizes: ClassVar = {MJPG: ((640, 480), (1280, 720)), YUYV: ((320, 240),)}
    reads: ClassVar[list[object]] = []  # what it gives, then the last again and again
    opens = True

    def __init__(self, name: str, backend: int) -> None:
        assert backend == cv2.CAP_V4L2
        self.name, self.format, self.size = name, YUYV, self.sizes[YUYV][0]
        self.requested, self.values, self.released = [0.0, 0.0], {cv2.CAP_PROP_FPS: 30.0}, False
        opened.append(self)

    def isOpened(self) -> bool:  # noqa: N802  # OpenCV's name
        return self.opens

    def set(self, prop: int, value: float) -> bool:
        if prop == cv2.CAP_PROP_FOURCC:
            self.format = int(value) if int(value) in self.sizes else self.format
            self.size = self.sizes[self.format][0]
        elif prop in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT):
            self.requested[prop - cv2.CAP_PROP_FRAME_WIDTH] = value
            fits = [size for size in self.sizes[self.format] if size[0] <= self.requested[0]]
            self.size = fits[-1] if fits else self.size
        else:
            self.values[prop] = value
        return True

    def get(self, prop: int) -> float:
        known = {
            cv2.CAP_PROP_FOURCC: self.format,
            cv2.CAP_PROP_FRAME_WIDTH: self.size[0],
            cv2.CAP_PROP_FRAME_HEIGHT: self.size[1],
        }
        return float((known | self.values).get(prop, 0))

    def read(self) -> tuple[bool, object]:
        image = self.reads.pop(0) if len(self.reads) > 1 else self.reads[0]
        return image is not None, image

    def release(self) -> None:
        self.released = True


opened: list[Capture] = []
RED_BGR = np.full((480, 640, 3), (0, 0, 200), np.uint8)
Plug = Callable[..., str]


@pytest.fixture
def plug(monkeypatch: pytest.MonkeyPatch) -> Plug:
    """Plugs in a webcam that gives what is listed; its device is a file that is there."""

    def plugged(*reads: Image | None, **how: object) -> str:
        for name, value in how.items():
            monkeypatch.setattr(Capture, name, value)
        monkeypatch.setattr(Capture, "reads", list(reads or [RED_BGR]))
        monkeypatch.setattr(cv2, "VideoCapture", Capture)
        monkeypatch.setattr("vedette_edge.cameras.v4l2.find_device", lambda _: os.devnull)
        opened.clear()
        return "/dev/video0"

    return plugged


def test_mjpg_and_the_size_are_asked_for_and_what_came_of_it_is_told(plug: Plug) -> None:
    log = EventLog()
    frames = open_frames(CameraConfig(plug(), width=1280, height=720), log.add)
    frame = next(frames)
    assert log.events == [CameraEvent("opened", "1280x720 MJPG 30/s")]
    assert frame.image_rgb[0, 0].tolist() == [200, 0, 0]
    assert opened[0].values[cv2.CAP_PROP_BUFFERSIZE] == 2
    frames.close()
    assert opened[0].released


def test_a_camera_without_mjpg_gives_what_it_has(plug: Plug) -> None:
    log = EventLog()
    open_frames(
        CameraConfig(plug(sizes={YUYV: ((320, 240),)}), width=1280, height=720), log.add
    ).close()
    assert log.events == [CameraEvent("opened", "320x240 YUYV 30/s")]


def test_a_few_failed_reads_are_tolerated(plug: Plug) -> None:
    bad = np.zeros((0, 0, 3), np.uint8)
    source = plug(RED_BGR, None, None, bad, None, RED_BGR, None, RED_BGR)
    frames = open_frames(CameraConfig(source), EventLog().add)
    assert [next(frames).number for _ in range(3)] == [1, 2, 3]
    frames.close()


def test_a_camera_that_was_pulled_out_is_an_error(plug: Plug) -> None:
    frames = open_frames(CameraConfig(plug(RED_BGR, None)), EventLog().add)
    next(frames)
    with pytest.raises(CameraError, match="delivered no image 5 times in a row after 1 frames"):
        next(frames)
    assert opened[0].released


def test_images_of_other_sizes_than_reported_are_delivered_as_they_are(plug: Plug) -> None:
    small = np.zeros((7, 5, 3), np.uint8)
    frames = open_frames(CameraConfig(plug(RED_BGR, small)), EventLog().add)
    assert [next(frames).image_rgb.shape for _ in range(2)] == [(480, 640, 3), (7, 5, 3)]
    frames.close()


def test_a_camera_that_another_program_has_is_an_error(plug: Plug) -> None:
    with pytest.raises(CameraError, match=r"cannot be opened.*fuser -v .*picamera2"):
        open_frames(CameraConfig(plug(opens=False)), EventLog().add)


@pytest.mark.parametrize("source", ["/dev/video98", "v4l2:98", "/dev/v4l/by-id/usb-none"])
def test_a_camera_that_is_absent_is_an_error_that_says_how_to_list_them(source: str) -> None:
    with pytest.raises(CameraError, match=r"/dev/v.*.*: not found; .*v4l2-ctl --list-devices"):
        open_frames(CameraConfig(source), EventLog().add)


def test_a_camera_that_the_user_may_not_open_says_which_group_to_join(
    plug: Plug, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = plug()
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(CameraError, match="usermod -aG video"):
        open_frames(CameraConfig(source), EventLog().add)
