"""Files as sources: folders and videos; the picture that is drawn; sources that are none."""

import errno
import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from tests.edge.conftest import EventLog

from vedette_edge.cameras import image_folder, open_frames
from vedette_edge.cameras.config import CameraConfig, CameraEvent
from vedette_edge.errors import CameraError, SettingError
from vedette_edge.images import decoding, test_pattern


def names(photos: Path) -> list[str]:
    return sorted(path.name for path in photos.iterdir())


# A folder


def test_a_folder_is_gone_through_once_in_order(photos: Path, event_log: EventLog) -> None:
    frames = list(open_frames(CameraConfig(str(photos)), event_log.add))
    assert [Path(frame.source).name for frame in frames] == names(photos)
    assert [frame.number for frame in frames] == [1, 2, 3]
    assert event_log.details("opened") == ["3 images"]


def test_a_looped_folder_starts_again_and_tells_of_a_bad_picture_once(
    photos: Path, event_log: EventLog
) -> None:
    (photos / "b-bad.jpg").write_bytes(b"no picture")
    frames = open_frames(CameraConfig(str(photos), loop=True), event_log.add)
    seen = [frame.number for frame in islice(frames, 8)]
    assert seen == list(range(1, 9))
    assert len(event_log.details("skipped_file")) == 1
    assert "b-bad.jpg" in event_log.details("skipped_file")[0]


def test_a_looped_folder_without_one_good_picture_is_an_error(
    tmp_path: Path, event_log: EventLog
) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    with pytest.raises(CameraError, match="contains no readable image"):
        next(open_frames(CameraConfig(str(tmp_path), loop=True), event_log.add))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_folder, "POLL_S", 0.03)
    monkeypatch.setattr(image_folder, "PATIENCE_S", 0.3)


def later(work: Callable[[], object], after_s: float = 0.15) -> None:
    threading.Timer(after_s, work).start()


def jpeg(colour_rgb: tuple[int, int, int] = (200, 30, 30)) -> bytes:
    image_bgr = np.full((48, 64, 3), colour_rgb[::-1], np.uint8)
    encoded: bytes = cv2.imencode(".jpg", image_bgr)[1].tobytes()
    return encoded


def test_a_followed_folder_gives_what_appears_later(
    photos: Path, event_log: EventLog, quick: None
) -> None:
    frames = open_frames(CameraConfig(str(photos), follow=True), event_log.add)
    assert event_log.details("opened") == ["new images beside 3 old ones"]
    later(lambda: (photos / "new.jpg").write_bytes(jpeg()))
    assert Path(next(frames).source).name == "new.jpg"


def test_a_followed_folder_may_be_empty_at_first(
    tmp_path: Path, event_log: EventLog, quick: None
) -> None:
    frames = open_frames(CameraConfig(str(tmp_path), follow=True), event_log.add)
    later(lambda: (tmp_path / "new.jpg").write_bytes(jpeg()))
    assert next(frames).number == 1


def test_a_picture_that_is_replaced_is_a_new_one(
    photos: Path, event_log: EventLog, quick: None
) -> None:
    frames = open_frames(CameraConfig(str(photos), follow=True), event_log.add)
    later(lambda: (photos / "a-red.jpg").write_bytes(jpeg((30, 30, 200))))
    assert next(frames).image_rgb[0, 0, 2] > 150


def test_a_half_written_picture_is_waited_for(
    tmp_path: Path, event_log: EventLog, quick: None
) -> None:
    whole, path = jpeg(), tmp_path / "new.jpg"
    frames = open_frames(CameraConfig(str(tmp_path), follow=True), event_log.add)
    later(lambda: path.write_bytes(whole[:200]), 0.05)
    later(lambda: path.write_bytes(whole), 0.25)
    assert np.array_equal(next(frames).image_rgb, decoding.decode_image(whole))
    assert not event_log.details("skipped_file")


def test_a_picture_that_stays_bad_is_left_out_once(
    tmp_path: Path, event_log: EventLog, quick: None
) -> None:
    frames = open_frames(CameraConfig(str(tmp_path), follow=True), event_log.add)
    later(lambda: (tmp_path / "bad.jpg").write_bytes(jpeg()[:200]), 0.05)
    later(lambda: (tmp_path / "good.jpg").write_bytes(jpeg()), 1.0)
    assert Path(next(frames).source).name == "good.jpg"
    assert len(event_log.details("skipped_file")) == 1
    assert "bad.jpg" in event_log.details("skipped_file")[0]


def test_an_image_that_kills_the_process_is_not_read_by_the_next_one(
    photos: Path, event_log: EventLog, quick: None
) -> None:
    looks: list[str] = []

    def note(event: CameraEvent) -> None:
        if event.kind == "looked":
            looks.append(event.detail)

    config = CameraConfig(str(photos), follow=True)
    frames = open_frames(config, note)
    later(lambda: (photos / "deadly.jpg").write_bytes(jpeg()), 0.05)
    assert Path(next(frames).source).name == "deadly.jpg"
    frames = open_frames(replace(config, looked_until=looks[-1]), event_log.add)
    (photos / "later.jpg").write_bytes(jpeg())
    assert Path(next(frames).source).name == "later.jpg"


def test_a_subfolder_that_was_unreadable_for_a_while_delivers_no_picture_again(
    photos: Path, event_log: EventLog, monkeypatch: pytest.MonkeyPatch, quick: None
) -> None:
    (photos / "sub").mkdir()
    (photos / "sub" / "old.jpg").write_bytes(jpeg())
    list_folder, denied = os.scandir, list[str]()

    def deny(path: str) -> Any:
        if Path(path).name == "sub" and len(denied) < 3:
            denied.append(path)
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return list_folder(path)

    frames = open_frames(CameraConfig(str(photos), follow=True), event_log.add)
    monkeypatch.setattr(os, "scandir", deny)
    later(lambda: (photos / "sub" / "new.jpg").write_bytes(jpeg()), 0.5)
    assert Path(next(frames).source).name == "new.jpg"
    assert len(denied) == 3


def test_a_followed_folder_that_goes_is_an_error(
    tmp_path: Path, event_log: EventLog, quick: None
) -> None:
    (tmp_path / "in").mkdir()
    frames = open_frames(CameraConfig(str(tmp_path / "in"), follow=True), event_log.add)
    later((tmp_path / "in").rmdir)
    with pytest.raises(CameraError, match="expected a folder"):
        next(frames)


# A video


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Ten frames, 20 frames/s, each a little redder."""
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 20, (64, 48))
    for number in range(10):
        writer.write(np.full((48, 64, 3), (20, 20, 20 * number), np.uint8))
    writer.release()
    return path


def test_a_video_tells_its_size_format_and_rate(clip: Path, event_log: EventLog) -> None:
    frames = list(open_frames(CameraConfig(str(clip)), event_log.add))
    assert event_log.details("opened") == ["64x48 MJPG 20/s"]
    assert [frame.number for frame in frames] == list(range(1, 11))


def test_a_looped_video_starts_again_from_its_first_frame(clip: Path, event_log: EventLog) -> None:
    frames = open_frames(CameraConfig(str(clip), loop=True), event_log.add)
    seen = list(islice(frames, 25))
    assert [frame.number for frame in seen] == list(range(1, 26))
    for frame in seen:
        redness = int(frame.image_rgb[24, 32, 0])
        assert abs(redness - 20 * ((frame.number - 1) % 10)) < 15


def test_a_frame_is_its_user_s_own(clip: Path, event_log: EventLog) -> None:
    frames = open_frames(CameraConfig(str(clip)), event_log.add)
    first = next(frames).image_rgb
    before = first.copy()
    list(frames)
    assert np.array_equal(first, before)
    assert first.flags["C_CONTIGUOUS"]


# The picture that is drawn


@pytest.mark.parametrize(
    ("source", "size", "opened"),
    [
        ("synthetic", (480, 640), "640x480 RGB"),
        ("synthetic:100x50", (50, 100), "100x50 RGB"),
        ("synthetic:1280x720@200", (720, 1280), "1280x720 RGB 200/s"),
    ],
)
def test_the_drawn_picture_moves_without_end(
    source: str, size: tuple[int, int], opened: str, event_log: EventLog
) -> None:
    frames = list(islice(open_frames(CameraConfig(source), event_log.add), 30))
    assert event_log.details("opened") == [opened]
    assert [frame.number for frame in frames] == list(range(1, 31))
    assert {frame.image_rgb.shape for frame in frames} == {(*size, 3)}
    for before, after in pairwise(frames):
        assert not np.array_equal(before.image_rgb, after.image_rgb)


def test_the_drawn_picture_has_the_size_that_is_asked_for(event_log: EventLog) -> None:
    frames = open_frames(CameraConfig("synthetic", 100, 50), event_log.add)
    assert next(frames).image_rgb.shape == (50, 100, 3)


def test_the_drawn_picture_keeps_its_rate(event_log: EventLog) -> None:
    begin = time.monotonic()
    assert (
        len(list(islice(open_frames(CameraConfig("synthetic:64x48@100"), event_log.add), 21))) == 21
    )
    assert time.monotonic() - begin >= 0.19  # however late the first one came


def test_the_self_test_s_picture_is_the_camera_s(event_log: EventLog) -> None:
    frames = open_frames(CameraConfig("synthetic"), event_log.add)
    assert np.array_equal(next(frames).image_rgb, test_pattern.draw_test_pattern(1))


# What is none of these


@pytest.mark.parametrize(
    "source",
    ["-:raw", "-:raw:640", "-:raw:0x480", "synthetic:640", "synthetic:640x480@", "v4l2:", "v4l2:x"],
)
def test_a_source_that_is_misspelt_is_a_wrong_setting_with_an_example(
    source: str, event_log: EventLog
) -> None:
    with pytest.raises(SettingError, match=rf"camera '{source}' is not valid; expected"):
        open_frames(CameraConfig(source), event_log.add)


@pytest.mark.parametrize("source", ["", "picamera", "nowhere.mp4"])
def test_what_is_not_there_is_an_error_that_lists_what_could_be(
    source: str, event_log: EventLog
) -> None:
    with pytest.raises(CameraError, match=r"not found; .*picamera2.*rtsp://.*a video file"):
        open_frames(CameraConfig(source), event_log.add)
