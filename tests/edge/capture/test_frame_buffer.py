"""Frames between two processes: the newest, and whole, whatever happens to either process."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from vedette_edge.capture.frame_buffer import FrameBuffer, FrameInfo

SHAPE = (2, 50, 40, 3)
WRITER = """
import sys, time
from vedette_edge.capture.frame_buffer import FrameBuffer, FrameInfo
buffer = FrameBuffer((2, 50, 40, 3), tuple(map(int, sys.argv[1:5])))
number = int(sys.argv[5])
while True:
    number += 1
    buffer.write_slot()[:] = number % 251
    buffer.publish(FrameInfo(number, 0.0, 0.0, 0.0, 0.0, 0, b"writer"))
"""


def create_info(number: int) -> FrameInfo:
    return FrameInfo(number, 1e9 + number, 5.0, 0.25, 0.5, 7, "Füchse/ä.jpg".encode())


@pytest.fixture
def buffer() -> Iterator[FrameBuffer]:
    buffer = FrameBuffer(SHAPE)
    yield buffer
    buffer.close()


@contextmanager
def start_writer(buffer: FrameBuffer, number: int = 0) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process that publishes frames as fast as it can, until it is killed."""
    command = [sys.executable, "-c", WRITER, *map(str, buffer.descriptors), str(number)]
    with subprocess.Popen(command, pass_fds=buffer.descriptors) as writer:
        try:
            yield writer
        finally:
            writer.kill()


def take(buffer: FrameBuffer, timeout_s: float = 60) -> tuple[FrameInfo, np.ndarray]:
    until_s = time.monotonic() + timeout_s
    while time.monotonic() < until_s:
        if frame := buffer.read_latest():
            return frame
    raise AssertionError("no frame came")


def test_a_frame_arrives_with_its_properties(buffer: FrameBuffer) -> None:
    assert buffer.read_latest() is None
    buffer.write_slot()[:] = 9
    buffer.publish(create_info(3))
    info, crops = take(buffer)
    assert info == create_info(3)
    assert crops.shape == SHAPE
    assert (crops == 9).all()
    assert buffer.read_latest() is None


def test_the_newest_frame_wins_and_the_one_in_use_stays(buffer: FrameBuffer) -> None:
    buffer.write_slot()[:] = 1
    buffer.publish(create_info(1))
    _, first = take(buffer)
    for number in range(2, 9):
        buffer.write_slot()[:] = number
        buffer.publish(create_info(number))
        assert (first == 1).all()
    info, crops = take(buffer)
    assert info.number == 8
    assert (crops == 8).all()


def test_no_frame_is_ever_torn_between_two_processes(buffer: FrameBuffer) -> None:
    with start_writer(buffer):
        last = 0
        for _ in range(2000):
            info, crops = take(buffer)
            assert info.number > last
            last = info.number
            assert (crops == last % 251).all()
    assert last >= 2000


def test_a_killed_writer_leaves_nothing_locked(buffer: FrameBuffer) -> None:
    number = 0
    for _ in range(25):
        with start_writer(buffer, number):
            number = take(buffer)[0].number
        while frame := buffer.read_latest():
            assert (frame[1] == frame[0].number % 251).all()
            number = frame[0].number
    assert number > 0


def test_a_stopped_writer_does_not_hold_up_the_reader(buffer: FrameBuffer) -> None:
    with start_writer(buffer) as writer:
        take(buffer)
        for _ in range(50):
            writer.send_signal(signal.SIGSTOP)
            while buffer.read_latest():  # which returns, whatever the writer holds
                pass
            writer.send_signal(signal.SIGCONT)
            take(buffer)


def test_a_writer_can_wait_until_its_frame_is_taken(buffer: FrameBuffer) -> None:
    buffer.publish(create_info(1))
    child = os.fork()
    if child == 0:
        time.sleep(0.2)
        os._exit(0 if buffer.read_latest() else 1)
    buffer.wait_until_taken()
    assert os.waitpid(child, 0)[1] == 0


def test_a_discarded_frame_is_not_read(buffer: FrameBuffer) -> None:
    buffer.publish(create_info(1))
    buffer.discard()
    assert buffer.read_latest() is None
    buffer.publish(create_info(2))
    assert take(buffer)[0].number == 2
