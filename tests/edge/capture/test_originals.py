"""The original of a frame, beside what was prepared of it: there when needed, and free when not."""

import mmap
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np
import pytest
from tests.edge.capture.conftest import ConfigFactory, wait_for_frame
from tests.edge.conftest import EventLog

from vedette_edge.cameras.config import CameraConfig
from vedette_edge.capture.frame_buffer import GAP_S, FrameBuffer, FrameInfo
from vedette_edge.capture.originals import MAX_SIDE, Originals, OriginalsFile
from vedette_edge.capture.region import Region
from vedette_edge.capture.supervisor import Supervisor
from vedette_edge.errors import SettingError
from vedette_edge.images.preprocessing import Image
from vedette_edge.images.shared_picture import LARGEST_BYTES
from vedette_edge.images.test_pattern import draw_test_pattern

SHAPE = (1, 20, 30, 3)
WRITER = """
import sys, time
import numpy as np
from vedette_edge.capture.frame_buffer import FrameBuffer, FrameInfo
buffer = FrameBuffer((1, 20, 30, 3), tuple(map(int, sys.argv[1:5])))
number = 0
while True:
    number += 1
    buffer.write_slot()[:] = number % 251
    image_rgb = np.full((100 + number % 3, 200, 3), number % 251, np.uint8)
    size = buffer.write_original(image_rgb)
    buffer.publish(FrameInfo(number, 0.0, 0.0, 0.0, 0.0, 0, b"writer", -1.0, *size))
"""


@pytest.fixture
def buffer() -> Iterator[FrameBuffer]:
    buffer = FrameBuffer(SHAPE)
    yield buffer
    buffer.close()


def publish(buffer: FrameBuffer, number: int, image_rgb: Image) -> None:
    buffer.write_slot()[:] = number
    size = buffer.write_original(image_rgb)
    buffer.publish(FrameInfo(number, 0.0, 0.0, 0.0, 0.0, 0, b"", -1.0, *size))


def copy_image(source: FrameBuffer | Supervisor) -> Image:
    original = source.copy_original()
    assert original is not None
    return original.image_rgb


def test_an_original_comes_with_its_frame_and_stays_when_newer_ones_come(
    buffer: FrameBuffer,
) -> None:
    images_rgb = [draw_test_pattern(number, 48, 64) for number in range(5)]
    buffer.keep_originals(Originals.ALL)
    publish(buffer, 1, images_rgb[1])
    assert buffer.read_latest()
    for number in (2, 3, 4):
        publish(buffer, number, images_rgb[number])
        assert np.array_equal(copy_image(buffer), images_rgb[1])
    assert buffer.read_latest()
    assert np.array_equal(copy_image(buffer), images_rgb[4])


def test_nothing_is_copied_and_no_memory_taken_until_originals_are_needed(
    buffer: FrameBuffer,
) -> None:
    image_rgb = draw_test_pattern(1)
    publish(buffer, 1, image_rgb)
    assert buffer.read_latest()
    assert buffer.copy_original() is None
    taken = sum(os.fstat(one).st_blocks for one in buffer.descriptors)
    assert 512 * taken < 100_000
    buffer.keep_originals(Originals.ALL)
    assert buffer.copy_original() is None  # of a frame that was published before
    publish(buffer, 2, image_rgb)
    assert buffer.read_latest()
    assert np.array_equal(copy_image(buffer), image_rgb)
    buffer.keep_originals(Originals.NONE)
    publish(buffer, 3, image_rgb)
    assert buffer.read_latest()
    assert buffer.copy_original() is None


def test_a_request_is_for_one_original(buffer: FrameBuffer) -> None:
    image_rgb, kept = draw_test_pattern(1, 48, 64), []
    for number in range(6):
        if number in (1, 2, 4):
            buffer.request_original()
        for _ in range(3):  # of which the reader misses the first two
            publish(buffer, number, image_rgb)
        assert buffer.read_latest()
        kept.append(buffer.copy_original() is not None)
    assert kept == [False, True, True, False, True, False]


def test_viewers_can_read_the_place_of_an_original_and_not_write_there(
    buffer: FrameBuffer,
) -> None:
    image_rgb = draw_test_pattern(1, 48, 64)
    buffer.request_original()
    publish(buffer, 1, image_rgb)
    assert buffer.read_latest()
    picture = buffer.lend_original()
    assert picture is not None
    shared_rgb = picture.read()
    assert shared_rgb is not None
    assert np.array_equal(shared_rgb, image_rgb)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.pwrite(picture.file, b"x", picture.offset)
    with pytest.raises(PermissionError):
        mmap.mmap(picture.file, 0)
    with pytest.raises(OSError, match="Invalid argument"):
        os.truncate(picture.file, 0)
    assert stat.S_IMODE(os.fstat(picture.file).st_mode) == 0o400


def test_a_picture_that_is_being_replaced_is_not_taken() -> None:
    file = OriginalsFile(2)
    image_rgb = draw_test_pattern(1, 48, 64)
    file.write(1, image_rgb)
    file.finish(1, 7)
    picture, other = file.lend(1, 7, (48, 64), 1.0), file.lend(1, 8, (48, 64), 1.0)
    assert picture
    assert other
    shared_rgb = picture.read()
    assert shared_rgb is not None
    assert np.array_equal(shared_rgb, image_rgb)
    assert other.read() is None  # which is not there yet
    file.write(1, image_rgb)  # and its writer is killed
    assert picture.read() is None
    file.finish(1, 8)
    assert picture.read() is None
    assert other.read() is not None
    file.close()


def test_a_reader_sees_whole_pictures_while_another_process_writes(buffer: FrameBuffer) -> None:
    buffer.keep_originals(Originals.ALL)
    command = [sys.executable, "-c", WRITER, *map(str, buffer.descriptors)]
    with subprocess.Popen(command, pass_fds=buffer.descriptors) as writer:
        try:
            whole, until_s = 0, time.monotonic() + 60
            while whole < 100 and time.monotonic() < until_s:
                if not (frame := buffer.read_latest()):
                    continue
                picture = buffer.lend_original()
                assert picture is not None
                if whole % 2:  # the slot is written again after the frame after the next
                    buffer.read_latest()
                image_rgb = picture.read()
                if image_rgb is not None:
                    whole += 1
                    number = frame[0].number
                    assert (image_rgb == number % 251).all()
                    assert image_rgb.shape == (100 + number % 3, 200, 3)
        finally:
            writer.kill()
    assert whole == 100


def test_a_request_that_is_taken_back_keeps_no_original(buffer: FrameBuffer) -> None:
    buffer.request_original()
    buffer.cancel_request()
    publish(buffer, 1, draw_test_pattern(1, 48, 64))
    assert buffer.read_latest()
    assert buffer.copy_original() is None


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((2160, 3840), (2160, 3840)),  # just fits
        ((2161, 3840), (1621, MAX_SIDE)),
        ((30, 300_000), None),
        ((4000, 4000), (MAX_SIDE, MAX_SIDE)),
    ],
)
def test_an_original_that_is_too_large_is_reduced(
    buffer: FrameBuffer, shape: tuple[int, int], expected: tuple[int, int] | None
) -> None:
    buffer.keep_originals(Originals.ALL)
    publish(buffer, 1, np.full((*shape, 3), 7, np.uint8))
    assert buffer.read_latest()
    original = buffer.copy_original()
    assert original is not None
    assert original.image_rgb.nbytes <= LARGEST_BYTES
    assert (original.image_rgb == 7).all()
    assert original.scale == original.image_rgb.shape[1] / shape[1]
    if expected:
        assert original.image_rgb.shape[:2] == expected


def test_no_original_is_ever_torn_or_that_of_another_frame(buffer: FrameBuffer) -> None:
    buffer.keep_originals(Originals.ALL)
    command = [sys.executable, "-c", WRITER, *map(str, buffer.descriptors)]
    with subprocess.Popen(command, pass_fds=buffer.descriptors) as writer:
        try:
            read = 0
            while read < 1000:
                if frame := buffer.read_latest():
                    read += 1
                    number, original = frame[0].number, copy_image(buffer)
                    assert original.shape == (100 + number % 3, 200, 3)
                    assert (original == number % 251).all()
        finally:
            writer.kill()


def test_originals_are_switched_on_and_off_while_the_same_process_captures(
    configure: ConfigFactory, event_log: EventLog
) -> None:
    config = configure(CameraConfig("synthetic:64x48"))
    with Supervisor(config, event_log.add) as supervisor:
        wait_for_frame(supervisor)
        pid = supervisor.pid
        assert supervisor.copy_original() is None
        for needed in (Originals.ALL, Originals.NONE, Originals.AFTER_GAPS, Originals.ALL):
            supervisor.keep_originals(needed)
            for _ in range(3):  # two may have been published before
                number = wait_for_frame(supervisor)
            original = supervisor.copy_original()
            assert (original is not None) is (needed == Originals.ALL)
            if original is not None:
                assert np.array_equal(original.image_rgb, draw_test_pattern(number % 8, 48, 64))
        assert supervisor.pid == pid
    assert event_log.kinds().count("opened") == 1


def test_originals_go_on_after_a_restart_of_the_capture_process(
    configure: ConfigFactory, event_log: EventLog
) -> None:
    config = configure(CameraConfig("synthetic:64x48"))
    with Supervisor(config, event_log.add) as supervisor:
        supervisor.keep_originals(Originals.ALL)
        wait_for_frame(supervisor)
        os.kill(supervisor.pid, 9)
        while "restored" not in event_log.kinds():
            supervisor.next_frame(0.05)
        wait_for_frame(supervisor)
        assert supervisor.copy_original() is not None


def test_a_mask_is_black_in_what_the_network_sees_and_in_the_original(
    configure: ConfigFactory, event_log: EventLog
) -> None:
    whole = configure(CameraConfig("synthetic:64x48"), masks=(Region("mask", 0, 0, 64, 24),))
    with Supervisor(whole, event_log.add) as supervisor:
        supervisor.keep_originals(Originals.ALL)
        until = [supervisor.next_frame(60.0) for _ in range(3)]
        assert until[-1]
        _, (crop,) = until[-1]
        original = copy_image(supervisor)
        assert not original[:24].any()
        assert original[24:].any()
        half = crop.shape[0] // 2
        assert not crop[: half - 1].any()
        assert crop[half + 1 :].any()


def test_a_mask_beyond_the_frame_is_an_error(configure: ConfigFactory, event_log: EventLog) -> None:
    config = configure(CameraConfig("synthetic:64x48"), masks=(Region("mask", 60, 0, 10, 10),))
    with (
        pytest.raises(SettingError, match="mask reaches to 70, 10; the frame ends at 64, 48"),
        Supervisor(config, event_log.add) as supervisor,
    ):
        wait_for_frame(supervisor)


def test_after_gaps_only_the_original_of_the_first_frame_is_kept(buffer: FrameBuffer) -> None:
    buffer.keep_originals(Originals.AFTER_GAPS)
    image_rgb, kept = draw_test_pattern(1, 48, 64), []
    for pause_s in (0.0, 0.0, GAP_S + 0.05, 0.0):
        time.sleep(pause_s)
        publish(buffer, 1, image_rgb)
        assert buffer.read_latest()
        kept.append(buffer.copy_original() is not None)
    assert kept == [True, False, True, False]
