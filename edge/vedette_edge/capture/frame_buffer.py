"""Prepared frames, from the process that takes them to the one that looks at them.

Three places in shared memory: one is being written, one is the newest, one is looked at. Who is
done exchanges the place it has for another, under a lock of the file system, which the kernel
opens when its holder dies: neither side waits for the other, and a killed one leaves no lock.
"""

import fcntl
import math
import mmap
import os
import struct
import time
from contextlib import suppress
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Crops = NDArray[np.uint8]  # parts x height x width x 3, each as `prepare` made it

PLACES = 3
_PASSED = 8  # where in the memory it stands when a frame was passed over
PATIENCE_S = 0.01  # for a lock that is held for microseconds, unless its holder stands still
_ABOUT = struct.Struct("<qddddq480p")


class FrameInfo(NamedTuple):
    """What is known of a frame that is handed over."""

    number: int  # counted by the camera from 1; a gap means that frames were not looked at
    seen_at: float  # seconds since the epoch, UTC
    taken_s: float  # when the camera gave it, on the monotonic clock
    capture_ms: float
    prepare_ms: float
    skipped: int  # frames so far that were passed over on purpose: too soon, or nothing moved
    source: bytes  # the file it came from


class FrameBuffer:
    """Room for three frames of some parts. One process gives, another takes."""

    def __init__(
        self, shape: tuple[int, ...], descriptors: tuple[int, int, int] | None = None
    ) -> None:
        """`shape` is that of Parts; `descriptors` are those of the process that made it."""
        size = int(np.prod(shape))
        places = [mmap.PAGESIZE + place * (size + _ABOUT.size) for place in range(PLACES)]
        total = mmap.PAGESIZE + PLACES * (size + _ABOUT.size)
        self.descriptors = descriptors or _made(total)
        self._file, self.given, self.taken = self.descriptors
        self._memory = mmap.mmap(self._file, total)
        self._abouts = places
        self._frames = [
            np.frombuffer(self._memory, np.uint8, size, place + _ABOUT.size).reshape(shape)
            for place in places
        ]

    def write_slot(self) -> Crops:
        """Where the next frame is to be written."""
        return self._frames[self._places()[0]]

    def publish(self, about: FrameInfo) -> None:
        """Make what was written the newest frame."""
        self._lock(math.inf)
        try:
            written, newest, looked_at, _ = self._places()
            _ABOUT.pack_into(self._memory, self._abouts[written], *about)
            self._memory[0] = _state(newest, written, looked_at, 1)
        finally:
            self._unlock()
        os.eventfd_write(self.given, 1)

    def read_latest(self) -> tuple[FrameInfo, Crops] | None:
        """The newest frame, to be looked at until the next is taken; None if it was seen."""
        if not self._unseen():
            _drained(self.given)  # before it is looked again: no frame comes unheard
            if not self._unseen():
                return None
        if not self._lock(PATIENCE_S):
            return None
        try:
            written, newest, looked_at, _ = self._places()
            self._memory[0] = _state(written, looked_at, newest, 0)
        finally:
            self._unlock()
        os.eventfd_write(self.taken, 1)
        about = FrameInfo._make(_ABOUT.unpack_from(self._memory, self._abouts[newest]))
        return about, self._frames[newest]

    def mark_skipped(self) -> None:
        """A frame came and is not given: nothing is to be looked at, and the camera lives."""
        os.pwrite(self._file, struct.pack("<d", time.monotonic()), _PASSED)

    def passed_s(self) -> float:
        """When a frame was last passed over, on the monotonic clock."""
        found: tuple[float] = struct.unpack("<d", os.pread(self._file, 8, _PASSED))
        return found[0]

    def wait_taken(self) -> None:
        """Wait until the newest frame has been taken."""
        while self._unseen():
            os.read(self.taken, 8)

    def discard(self) -> None:
        """Count the newest frame as seen; for the taker, while nobody gives."""
        self._memory[0] &= _state(3, 3, 3, 0)

    def close(self) -> None:
        """Let go of the memory; it goes when nobody looks at a frame any more."""
        self._frames.clear()
        with suppress(BufferError):
            self._memory.close()
        for descriptor in self.descriptors:
            os.close(descriptor)

    def _places(self) -> tuple[int, ...]:
        """Which is being written, is the newest, is looked at; and 1 if the newest is unseen."""
        state = self._memory[0]
        return state & 3, state >> 2 & 3, state >> 4 & 3, state >> 6

    def _unseen(self) -> int:
        return self._memory[0] >> 6

    def _lock(self, patience_s: float) -> bool:
        """Gives whether the lock could be had in time: the other may stand still holding it."""
        if _tried(self._file):
            return True
        until_s = time.monotonic() + patience_s
        while time.monotonic() < until_s:
            time.sleep(0.0002)
            if _tried(self._file):
                return True
        return False

    def _unlock(self) -> None:
        fcntl.lockf(self._file, fcntl.LOCK_UN)


def _made(total: int) -> tuple[int, int, int]:
    file = os.memfd_create("vedette-frames")
    os.truncate(file, total)
    os.pwrite(file, bytes([_state(0, 1, 2, 0)]), 0)
    return file, os.eventfd(0, os.EFD_NONBLOCK), os.eventfd(0)


def _state(written: int, newest: int, looked_at: int, unseen: int) -> int:
    """All in one byte, which is changed at once: a kill leaves the old state or the new one."""
    return written | newest << 2 | looked_at << 4 | unseen << 6


def _tried(file: int) -> bool:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _drained(event: int) -> None:
    with suppress(BlockingIOError):
        os.eventfd_read(event)
