"""Standard input as a source: JPEGs one after the other, or raw frames."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from tests.edge.conftest import EventLog

from vedette_edge.cameras import open_frames, stdin
from vedette_edge.cameras.config import CameraConfig
from vedette_edge.errors import CameraError, SettingError
from vedette_edge.images import decoding, jpeg_splitter
from vedette_edge.images.jpeg_splitter import JpegSplitter
from vedette_edge.images.preprocessing import Image

Pipe = Callable[..., None]


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipe]:
    """Makes pieces arrive one by one at what stands for standard input, which then ends."""
    reading, writing = os.pipe()
    monkeypatch.setattr(stdin, "DESCRIPTOR", reading)
    monkeypatch.setattr(stdin, "TIMEOUT_S", 0.5)
    threads: list[threading.Thread] = []

    def write(pieces: tuple[bytes, ...], end: bool) -> None:
        with os.fdopen(os.dup(writing), "wb", buffering=0) as pipe:
            for piece in pieces:
                pipe.write(piece)
                time.sleep(0.0002)
        if end:
            os.close(writing)

    def arrive(*pieces: bytes, end: bool = True) -> None:
        threads.append(threading.Thread(target=write, args=(pieces, end)))
        threads[-1].start()

    yield arrive
    for thread in threads:
        thread.join()
    os.close(reading)


def encoded(image_bgr: Image, *options: int) -> bytes:
    """A JPEG."""
    jpeg: bytes = cv2.imencode(".jpg", image_bgr, options)[1].tobytes()
    return jpeg


REDDISH = encoded(np.full((48, 64, 3), (30, 30, 200), np.uint8))
BLUISH = encoded(np.full((48, 64, 3), (200, 30, 30), np.uint8))


@pytest.mark.parametrize("size", [1, 7, 100, 100_000])
def test_jpegs_are_cut_apart_wherever_they_are_torn(
    piped: Pipe, event_log: EventLog, size: int
) -> None:
    data = REDDISH + b"--part\r\nContent-Type: image/jpeg\r\n\r\n" + BLUISH + b"\r\n" + REDDISH
    piped(*(data[at : at + size] for at in range(0, len(data), size)))
    frames = list(open_frames(CameraConfig("-"), event_log.add))
    assert event_log.details("opened") == ["JPEG"]
    assert [frame.number for frame in frames] == [1, 2, 3]
    for frame, whole in zip(frames, (REDDISH, BLUISH, REDDISH), strict=True):
        assert np.array_equal(frame.image_rgb, decoding.decode_image(whole))
    assert not event_log.details("skipped_file")


def with_thumbnail(whole: bytes, thumbnail: bytes) -> bytes:
    """A JPEG that carries another in an APP1 segment, as cameras write them."""
    segment = b"\xff\xe1" + (2 + len(thumbnail)).to_bytes(2, "big") + thumbnail
    return whole[:2] + segment + whole[2:]


def test_a_thumbnail_within_a_jpeg_is_no_frame(piped: Pipe, event_log: EventLog) -> None:
    piped(with_thumbnail(REDDISH, BLUISH) + BLUISH)
    seen = [frame.image_rgb[0, 0] for frame in open_frames(CameraConfig("-"), event_log.add)]
    assert [pixel[0] > pixel[2] for pixel in seen] == [True, False]


def test_progressive_jpegs_of_several_scans_are_cut_apart(
    drawn: Callable[[int, int], Image],
) -> None:
    whole = encoded(drawn(120, 160), cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    assert whole.count(b"\xff\xda") > 1
    assert list(JpegSplitter().feed(whole + REDDISH)) == [whole, REDDISH]


def test_what_has_no_end_is_dropped_with_all_that_begins_within_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jpeg_splitter, "LARGEST", 1000)
    splitter = JpegSplitter()
    nested = b"\xff\xd8\xff\xe1\xff\xff" * 200
    assert not list(splitter.feed(nested))
    assert splitter.rest == 0
    assert list(splitter.feed(REDDISH)) == [REDDISH]


def test_a_torn_jpeg_is_left_out_and_the_next_one_is_seen(
    piped: Pipe, event_log: EventLog, drawn: Callable[[int, int], Image]
) -> None:
    torn = encoded(drawn(120, 160))[:2000]  # in the middle of its scan
    piped(torn + BLUISH + REDDISH[:400])
    (frame,) = open_frames(CameraConfig("-"), event_log.add)
    assert np.array_equal(frame.image_rgb, decoding.decode_image(BLUISH))
    assert len(event_log.details("skipped_file")) == 2
    assert "2000 bytes" in event_log.details("skipped_file")[0]
    assert "cut off after 400 bytes" in event_log.details("skipped_file")[1]


def test_raw_frames_are_taken_as_they_are(
    piped: Pipe, event_log: EventLog, drawn: Callable[[int, int], Image]
) -> None:
    sent = [drawn(48, 64), drawn(48, 64)[::-1]]
    piped(b"".join(picture.tobytes() for picture in sent) + b"half")
    frames = list(open_frames(CameraConfig("-:raw:64x48"), event_log.add))
    assert event_log.details("opened") == ["64x48 raw RGB"]
    assert len(frames) == 2
    for frame, image_rgb in zip(frames, sent, strict=True):
        assert np.array_equal(frame.image_rgb, image_rgb)
    assert event_log.details("skipped_file") == [
        "skipped the last frame on standard input: 4 of 9216 bytes"
    ]


def test_raw_frames_too_large_to_hold_are_a_wrong_setting(event_log: EventLog) -> None:
    with pytest.raises(SettingError, match="99999 x 99999 px, but at most 100 million"):
        open_frames(CameraConfig("-:raw:99999x99999"), event_log.add)


def test_an_input_that_falls_silent_is_an_error(piped: Pipe, event_log: EventLog) -> None:
    piped(REDDISH, end=False)
    frames = open_frames(CameraConfig("-"), event_log.add)
    next(frames)
    with pytest.raises(CameraError, match="nothing on standard input"):
        next(frames)


@pytest.mark.parametrize(
    ("source", "sent", "found"),
    [
        ("-", b"", "no JPEG came on standard input"),
        ("-", b"no picture" * 100, "no JPEG came on standard input, but 1000 other bytes"),
        ("-:raw:64x48", b"", "no frame came on standard input"),
    ],
)
def test_an_input_without_a_picture_is_an_error(
    piped: Pipe, event_log: EventLog, source: str, sent: bytes, found: str
) -> None:
    piped(sent)
    frames = open_frames(CameraConfig(source), event_log.add)
    with pytest.raises(CameraError, match=f"^camera {source}: {found}; expected"):
        next(frames)


def test_a_watch_without_a_picture_on_standard_input_ends_with_code_1(model: Path) -> None:
    command = [sys.executable, "-m", "vedette_edge", "run", str(model), "--camera", "-"]
    ended = subprocess.run(command, input=b"", capture_output=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, b"")
    assert b"Error: camera -: no JPEG came" in ended.stderr


def test_a_terminal_is_no_source(monkeypatch: pytest.MonkeyPatch, event_log: EventLog) -> None:
    held, terminal = os.openpty()
    monkeypatch.setattr(stdin, "DESCRIPTOR", terminal)
    with pytest.raises(SettingError, match="is a terminal; expected JPEGs"):
        open_frames(CameraConfig("-"), event_log.add)
    os.close(held)
    os.close(terminal)


def test_what_a_program_writes_is_seen() -> None:
    script = """
from vedette_edge.cameras import open_frames
from vedette_edge.cameras.config import CameraConfig
print(sum(1 for _ in open_frames(CameraConfig("-"), lambda event: print(event.detail))))
"""
    ended = subprocess.run(
        [sys.executable, "-c", script], input=REDDISH * 30, capture_output=True, check=True
    )
    assert ended.stdout.split() == [b"JPEG", b"30"]


def test_a_flood_of_bad_images_on_standard_input_is_a_message_and_a_count(
    model: Path, drawn: Callable[[int, int], Image]
) -> None:
    bad = encoded(drawn(120, 160))[:2000]  # in the middle of its scan
    command = [sys.executable, "-m", "vedette_edge", "run", str(model), "--camera", "-", "--json"]
    ended = subprocess.run(
        command, input=bad * 1000 + REDDISH, capture_output=True, check=False, timeout=120
    )
    first, second, *_ = ended.stderr.decode().splitlines()
    assert "skipped a JPEG of 2000 bytes" in first
    assert "998 more since the last message" in second
    assert ended.stderr.count(b"skipped a JPEG") == 2
    assert ended.stdout.count(b'"frame"') > 0
