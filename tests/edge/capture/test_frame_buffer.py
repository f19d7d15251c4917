"""Frames from one process to another: the newest, whole, whatever happens to either."""

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
handover = FrameBuffer((2, 50, 40, 3), tuple(map(int, sys.argv[1:4])))
number = int(sys.argv[4])
while True:
    number += 1
    handover.write_slot()[:] = number % 251
    handover.publish(FrameInfo(number, 0.0, 0.0, 0.0, 0.0, 0, b"writer"))
"""


def about(number: int) -> FrameInfo:
    return FrameInfo(number, 1e9 + number, 5.0, 0.25, 0.5, 7, "Füchse/ä.jpg".encode())


@pytest.fixture
def handover() -> Iterator[FrameBuffer]:
    made = FrameBuffer(SHAPE)
    yield made
    made.close()


@contextmanager
def started(handover: FrameBuffer, number: int = 0) -> Iterator[subprocess.Popen[bytes]]:
    """A process that gives frames as fast as it can, until it is killed."""
    command = [sys.executable, "-c", WRITER, *map(str, handover.descriptors), str(number)]
    with subprocess.Popen(command, pass_fds=handover.descriptors) as writer:
        try:
            yield writer
        finally:
            writer.kill()


def taken(handover: FrameBuffer, timeout_s: float = 20) -> tuple[FrameInfo, np.ndarray]:
    until_s = time.monotonic() + timeout_s
    while time.monotonic() < until_s:
        if frame := handover.read_latest():
            return frame
    raise AssertionError("no frame came")


def test_a_frame_arrives_with_all_that_is_known_of_it(handover: FrameBuffer) -> None:
    assert handover.read_latest() is None
    handover.write_slot()[:] = 9
    handover.publish(about(3))
    found, parts = taken(handover)
    assert found == about(3)
    assert parts.shape == SHAPE
    assert (parts == 9).all()
    assert handover.read_latest() is None


def test_the_newest_wins_and_what_is_looked_at_stays(handover: FrameBuffer) -> None:
    handover.write_slot()[:] = 1
    handover.publish(about(1))
    _, looked_at = taken(handover)
    for number in range(2, 9):
        handover.write_slot()[:] = number
        handover.publish(about(number))
        assert (looked_at == 1).all()
    found, parts = taken(handover)
    assert found.number == 8
    assert (parts == 8).all()


def test_no_frame_is_ever_torn_between_two_processes(handover: FrameBuffer) -> None:
    with started(handover):
        last, until_s = 0, time.monotonic() + 3
        while time.monotonic() < until_s:
            found, parts = taken(handover)
            assert found.number > last
            last = found.number
            assert (parts == last % 251).all()
    assert last > 1000


def test_a_giver_that_is_killed_leaves_nothing_locked(handover: FrameBuffer) -> None:
    number = 0
    for _ in range(25):
        with started(handover, number):
            number = taken(handover)[0].number
        while frame := handover.read_latest():
            assert (frame[1] == frame[0].number % 251).all()
            number = frame[0].number
    assert number > 0


def test_a_giver_that_stands_still_does_not_hold_up_the_taker(handover: FrameBuffer) -> None:
    with started(handover) as writer:
        taken(handover)
        for _ in range(50):
            writer.send_signal(signal.SIGSTOP)
            begin = time.monotonic()
            while handover.read_latest():
                pass
            assert time.monotonic() - begin < 5  # and not for ever
            writer.send_signal(signal.SIGCONT)
            taken(handover)


def test_who_must_be_seen_by_can_wait_for_it(handover: FrameBuffer) -> None:
    handover.publish(about(1))
    child = os.fork()
    if child == 0:
        time.sleep(0.2)
        os._exit(0 if handover.read_latest() else 1)
    handover.wait_taken()
    assert os.waitpid(child, 0)[1] == 0
