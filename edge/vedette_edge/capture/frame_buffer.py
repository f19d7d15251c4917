"""A triple buffer in shared memory, from the capture process to the watch.

Of three slots one is being written, one holds the newest frame, and one is being read. Each side
swaps its slot for another under a file lock, which the kernel releases when its holder dies:
neither side waits for the other, and a killed process leaves no lock.

Each slot has room for the frame's original, too, in a file of its own. The reader says which
originals it needs.
"""

import fcntl
import math
import mmap
import os
import struct
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vedette_edge.capture.originals import Original, Originals, OriginalsFile
from vedette_edge.images.preprocessing import Image
from vedette_edge.images.shared_picture import SharedPicture

Crops = NDArray[np.uint8]  # regions x height x width x 3, each preprocessed

SLOTS = 3
GAP_S = 0.25  # between two frames, from which on the later one comes after a gap
LOCK_TIMEOUT_S = 0.01  # for a lock that is held for microseconds, unless its holder is stopped
_SKIP = struct.Struct("<dqq")  # time and number of the last skipped frame, and their count
_KEEP_OFFSET, _ONCE_OFFSET, _SKIP_OFFSET = 1, 2, 8  # the state is at 0
_INFO = struct.Struct("<qddddq464pdiid")


class FrameInfo(NamedTuple):
    """Properties of a published frame."""

    number: int  # counted by the camera from 1; a gap means dropped frames
    seen_at: float  # seconds since the epoch, UTC
    taken_s: float  # time of capture on the monotonic clock
    capture_ms: float
    prepare_ms: float
    skipped: int  # frames so far that were skipped on purpose: too soon, or nothing moved
    source: bytes  # the file, or the camera
    position_s: float = -1.0  # in a video file; negative for other sources
    original_height: int = 0  # px; 0 if the original is not here
    original_width: int = 0  # px
    original_scale: float = 1.0  # below 1 if it was reduced


class FrameBuffer:
    """A buffer for three frames. One process publishes, another reads."""

    def __init__(self, shape: tuple[int, ...], descriptors: Sequence[int] | None = None) -> None:
        """`shape` is that of Crops; `descriptors` come from the process that created the buffer."""
        size = math.prod(shape)
        total = mmap.PAGESIZE + SLOTS * (size + _INFO.size)
        self._file, self.published, self._taken, *rest = descriptors or _create_shared(total)
        self._originals = OriginalsFile(SLOTS, *rest)
        self._memory = mmap.mmap(self._file, total)
        self._offsets = range(mmap.PAGESIZE, total, size + _INFO.size)
        self._crops = [
            np.frombuffer(self._memory, np.uint8, size, offset + _INFO.size).reshape(shape)
            for offset in self._offsets
        ]
        self._read_info: FrameInfo | None = None  # of the frame that was read last
        self._published_s = -math.inf  # when this process published its last frame

    @property
    def descriptors(self) -> tuple[int, int, int, int]:
        """The files and events that another process needs."""
        return self._file, self.published, self._taken, self._originals.descriptor

    def write_slot(self) -> Crops:
        """Return the array to write the next frame to."""
        return self._crops[self._unpack_state()[0]]

    def write_original(self, image_rgb: Image) -> tuple[int, int, float]:
        """Write the original of the next frame, if the reader needs it.

        One that is too large is reduced. Returns its height and width in px and its scale for
        FrameInfo; the size is 0 if it was not written.
        """
        requested, needed = self._memory[_ONCE_OFFSET], self._memory[_KEEP_OFFSET]
        is_first = time.monotonic() - self._published_s >= GAP_S
        is_kept = needed == Originals.ALL or (needed == Originals.AFTER_GAPS and is_first)
        if not (requested or is_kept):
            return 0, 0, 1.0
        return self._originals.write(self._unpack_state()[0], image_rgb)

    def publish(self, info: FrameInfo) -> None:
        """Make the written frame the newest, and make `published` readable."""
        self._lock(math.inf)
        try:
            written, newest, read = self._unpack_state()
            if info.original_height:
                self._originals.finish(written, _create_stamp(info))
            _INFO.pack_into(self._memory, self._offsets[written], *info)
            self._memory[0] = _pack_state(newest, written, read, unread=1)
        finally:
            self._unlock()
        self._published_s = time.monotonic()
        os.eventfd_write(self.published, 1)

    def has_unread(self) -> bool:
        """True if the newest frame has not been taken."""
        return bool(self._memory[0] >> 6)

    def read_latest(self) -> tuple[FrameInfo, Crops] | None:
        """Take the newest frame; None if it has been taken. It is valid until the next call."""
        if not self.has_unread():
            with suppress(BlockingIOError):  # before the second check, so that no frame is missed
                os.eventfd_read(self.published)
            if not self.has_unread():
                return None
        if not self._lock(LOCK_TIMEOUT_S):
            return None
        try:
            written, newest, read = self._unpack_state()
            self._memory[0] = _pack_state(written, read, newest, unread=0)
        finally:
            self._unlock()
        os.eventfd_write(self._taken, 1)
        info = FrameInfo._make(_INFO.unpack_from(self._memory, self._offsets[newest]))
        self._read_info = info
        return info, self._crops[newest]

    def keep_originals(self, needed: Originals) -> None:
        """Say which frames that are published from now on need their originals."""
        self._memory[_KEEP_OFFSET] = needed

    def request_original(self) -> None:
        """Ask for one original: frames have theirs until one is copied."""
        self._memory[_ONCE_OFFSET] = 1

    def cancel_request(self) -> None:
        """Take back a request for an original."""
        self._memory[_ONCE_OFFSET] = 0

    def copy_original(self) -> Original | None:
        """Copy the original of the frame that was read last; None if it is not here."""
        info = self._take_request()
        if not info:
            return None
        slot, size = self._unpack_state()[2], (info.original_height, info.original_width)
        return Original(self._originals.view(slot, *size).copy(), info.original_scale)

    def lend_original(self) -> SharedPicture | None:
        """Return the place of the same original, where viewers can read it; None as above."""
        info = self._take_request()
        if not info:
            return None
        slot, size = self._unpack_state()[2], (info.original_height, info.original_width)
        return self._originals.lend(slot, _create_stamp(info), size, info.original_scale)

    def _take_request(self) -> FrameInfo | None:
        """Return the frame that was read last, if its original is here; a request is met then."""
        info = self._read_info
        if not (info and info.original_height):
            return None
        self.cancel_request()
        return info

    def mark_skipped(self, number: int, count: int) -> None:
        """Note that a frame was skipped: the camera is alive, but there is nothing to read."""
        os.pwrite(self._file, _SKIP.pack(time.monotonic(), number, count), _SKIP_OFFSET)

    @property
    def last_skip_s(self) -> float:
        """Time of the last skipped frame on the monotonic clock; 0 if there is none."""
        return float(self._unpack_skip()[0])

    def read_skipped(self) -> tuple[int, int]:
        """Read the number of the last skipped frame and the count so far; zeros if none was."""
        _, number, count = self._unpack_skip()
        return number, count

    def wait_until_taken(self) -> None:
        """Wait until the newest frame has been taken."""
        while self.has_unread():
            os.read(self._taken, 8)

    def discard(self) -> None:
        """Drop the newest frame. For the reader, while nobody publishes."""
        self._memory[0] &= _pack_state(3, 3, 3, unread=0)

    def close(self) -> None:
        """Release the memory; the kernel frees it when no frame is in use any more."""
        self._crops.clear()
        self._originals.close()
        with suppress(BufferError):
            self._memory.close()
        for descriptor in (self._file, self.published, self._taken):
            os.close(descriptor)

    def _unpack_state(self) -> tuple[int, ...]:
        """Slots of the written, the newest and the read frame."""
        state = self._memory[0]
        return state & 3, state >> 2 & 3, state >> 4 & 3

    def _unpack_skip(self) -> tuple[float, int, int]:
        return _SKIP.unpack(os.pread(self._file, _SKIP.size, _SKIP_OFFSET))

    def _lock(self, timeout_s: float) -> bool:
        """Lock the state. False after the time-out: the holder of the lock may be stopped."""
        until_s = time.monotonic() + timeout_s
        while True:
            with suppress(BlockingIOError):
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            if time.monotonic() >= until_s:
                return False
            time.sleep(0.0002)

    def _unlock(self) -> None:
        fcntl.lockf(self._file, fcntl.LOCK_UN)


def _create_shared(total: int) -> tuple[int, int, int]:
    """Create the shared memory, and an event each for a published and for a taken frame."""
    file = os.memfd_create("vedette-frames")
    os.truncate(file, total)
    os.pwrite(file, bytes([_pack_state(0, 1, 2, unread=0)]), 0)
    # A reload replaces the program: without EFD_CLOEXEC, it would keep the old descriptors.
    published, taken = os.EFD_NONBLOCK | os.EFD_CLOEXEC, os.EFD_CLOEXEC
    return file, os.eventfd(0, published), os.eventfd(0, taken)


def _create_stamp(info: FrameInfo) -> int:
    """Create the stamp of a frame's original: numbers begin at 1 with each capture process."""
    return int(info.taken_s * 1e9) + info.number


def _pack_state(written: int, newest: int, read: int, *, unread: int) -> int:
    """Pack the state into one byte, so that a kill leaves the old state or the new one."""
    return written | newest << 2 | read << 4 | unread << 6
