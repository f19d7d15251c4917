"""Masks: they hide the same part of the picture, whatever the camera does."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from tests.edge.capture.conftest import ConfigFactory, kill, play_live, wait_for_frame
from tests.edge.conftest import EventLog

from vedette_edge.cameras.config import CameraConfig, Frame
from vedette_edge.capture.region import Region
from vedette_edge.capture.supervisor import Supervisor
from vedette_edge.capture.worker import FrameOrienter
from vedette_edge.errors import SettingError

LEFT = (Region("mask", 0, 0, 32, 48),)  # half of a frame of 64x48
FOLDER = CameraConfig("frames/")


def take(width: int, height: int) -> Frame:
    return Frame(1, np.full((height, width, 3), 255, np.uint8), 0.0, 0.0, "camera")


def write_clip(path: Path, width: int, height: int) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 20, (width, height))
    for _ in range(200):
        writer.write(np.full((height, width, 3), 255, np.uint8))
    writer.release()


def test_a_frame_of_another_size_is_passed_over_as_the_mask_would_hide_less_of_it(
    configure: ConfigFactory, event_log: EventLog
) -> None:
    orienter = FrameOrienter(configure(FOLDER, masks=LEFT))
    masked = orienter.orient(take(64, 48), event_log.add)
    assert masked is not None
    assert not masked[:, :32].any()
    assert orienter.orient(take(128, 96), event_log.add) is None
    assert orienter.orient(take(64, 48), event_log.add) is not None
    assert event_log.kinds() == ["masked"]


def test_of_files_one_of_another_size_is_named(
    configure: ConfigFactory, event_log: EventLog
) -> None:
    orienter = FrameOrienter(configure(FOLDER, masks=LEFT, every_frame=True))
    orienter.orient(take(64, 48), event_log.add)
    assert orienter.orient(take(128, 96), event_log.add) is None
    assert "the frame is 128x96, but the masks are for 64x48" in event_log.events[-1].detail


def test_without_a_mask_frames_may_be_of_any_size(
    configure: ConfigFactory, event_log: EventLog
) -> None:
    orienter = FrameOrienter(configure(FOLDER))
    assert orienter.orient(take(64, 48), event_log.add) is not None
    assert orienter.orient(take(128, 96), event_log.add) is not None
    assert event_log.kinds() == []


def test_a_camera_that_comes_back_with_another_size_stays_lost(
    configure: ConfigFactory, event_log: EventLog, tmp_path: Path
) -> None:
    clip = tmp_path / "clip.avi"
    write_clip(clip, 64, 48)
    config = configure(play_live(clip), masks=LEFT)
    with Supervisor(config, event_log.add) as supervisor:
        wait_for_frame(supervisor)
        write_clip(clip, 128, 96)
        kill(supervisor, event_log)
        for _ in range(200):
            frame = supervisor.next_frame(0.05)
            assert frame is None or frame[1].min() == 0
        assert "restored" not in event_log.kinds()


def test_a_first_frame_of_another_size_than_before_is_an_error(
    configure: ConfigFactory, event_log: EventLog
) -> None:
    first = FrameOrienter(configure(FOLDER, masks=LEFT))
    first.orient(take(64, 48), event_log.add)
    config = configure(FOLDER, masks=LEFT, masked_size=event_log.events[-1].detail)
    with pytest.raises(SettingError, match="restart the watch with other masks"):
        FrameOrienter(config).orient(take(128, 96), event_log.add)
