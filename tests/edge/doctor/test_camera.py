"""Cameras that deliver, are black, frozen or missing."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from tests.edge.video_files import write_video

from vedette_edge.cameras.config import CameraConfig
from vedette_edge.capture.orientation import Orientation
from vedette_edge.doctor import FAULT, OK, WARNING, Finding
from vedette_edge.doctor.camera import FrameSettings, check_camera


def check(source: str | Path, *, live: bool = False, with_chart: bool = False) -> list[Finding]:
    """The findings about a camera."""
    config = CameraConfig(str(source), live=live)
    return list(check_camera(config, FrameSettings(Orientation()), with_chart=with_chart))


def test_a_camera_delivers() -> None:
    findings = check("synthetic:320x240@20", with_chart=True)
    levels = [(finding.subject, finding.level) for finding in findings]
    assert levels == [("camera", OK), ("picture", OK), ("chart", WARNING)]
    assert "320x240 RGB 20/s" in findings[0].detail


@pytest.mark.parametrize(("value", "colour"), [(0, "black"), (255, "white")])
def test_a_black_or_white_picture_is_a_warning(tmp_path: Path, value: int, colour: str) -> None:
    video = write_video(tmp_path / "clip.avi", [np.full((48, 64, 3), value, np.uint8)] * 8)
    _, picture = check(video, live=True)
    assert (picture.level, colour in picture.detail) == (WARNING, True)


def test_a_frozen_picture_is_a_warning(tmp_path: Path) -> None:
    video = write_video(tmp_path / "clip.avi", [np.full((48, 64, 3), 99, np.uint8)] * 12)
    _, picture = check(video, live=True)
    assert (picture.level, "frozen" in picture.detail) == (WARNING, True)


def test_a_missing_camera_is_a_fault() -> None:
    (finding,) = check("/dev/video63")
    assert (finding.subject, finding.level) == ("camera", FAULT)
    assert finding.detail.startswith("/dev/video63")
    assert finding.fix.startswith("ls -l /dev/video*")


def test_a_picture_that_cannot_be_read_does_not_end_the_camera(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(b"no picture")
    for number in (2, 3):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((48, 64, 3), 99, np.uint8))
    assert [finding.level for finding in check(tmp_path)] == [OK, OK]


def test_no_secret_of_a_stream_is_shown() -> None:
    config = CameraConfig("rtsp://me:secret@127.0.0.1:9/secret?key=secret")
    (finding,) = check_camera(config, FrameSettings(Orientation()), with_chart=False)
    assert finding.level == FAULT
    assert finding.fix.startswith("ffprobe -rtsp_transport tcp 'rtsp://127.0.0.1:9'")
    assert "secret" not in finding.fix + finding.detail
