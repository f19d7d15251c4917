"""Configurations of capture processes, a video, and what waits for a supervisor."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from tests.edge.conftest import EventLog

from vedette_edge import Contract
from vedette_edge.cameras.config import CameraConfig
from vedette_edge.capture.orientation import Orientation
from vedette_edge.capture.region import WHOLE, Region
from vedette_edge.capture.supervisor import Supervisor, Timeouts
from vedette_edge.capture.worker import CaptureConfig

QUICK = Timeouts(silence_s=1.0, first_silence_s=5.0, pauses_s=(0.05, 0.1))
ConfigFactory = Callable[..., CaptureConfig]


@pytest.fixture
def configure(contract: Contract) -> ConfigFactory:
    """Creates the configuration of a capture process."""

    def create(
        camera: CameraConfig,
        *,
        every_frame: bool = False,
        regions: tuple[Region, ...] = (WHOLE,),
        max_fps: float = 0.0,
        masks: tuple[Region, ...] = (),
        masked_size: str = "",
    ) -> CaptureConfig:
        orientation, motion, masking = Orientation(), 0.0, (masks, masked_size)
        return CaptureConfig(
            camera, orientation, contract, regions, max_fps, motion, every_frame, *masking
        )

    return create


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A video of half a minute at 20 frames a second."""
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 20, (64, 48))
    for number in range(600):
        writer.write(np.full((48, 64, 3), (0, 0, number % 256), np.uint8))
    writer.release()
    return path


def play_live(path: Path) -> CameraConfig:
    return CameraConfig(str(path), live=True)


def wait_for_frame(supervisor: Supervisor) -> int:
    """Wait for the next frame; return its number."""
    until_s = time.monotonic() + 60
    while time.monotonic() < until_s:
        if frame := supervisor.next_frame(0.5):
            return frame[0].number
    raise AssertionError("no frame came")


def kill(supervisor: Supervisor, log: EventLog) -> None:
    """Kill the capture process, and wait until the camera is reported lost."""
    os.kill(supervisor.pid, signal.SIGKILL)
    losses = log.kinds().count("lost")
    while log.kinds().count("lost") == losses:
        supervisor.next_frame(0.05)
