"""The originals of frames, in a file of their own beside the frame buffer.

Viewers may read this file, and nothing else of the watch: with it, nobody needs to copy a frame
for them. It takes memory only once an original is written.
"""

import mmap
import os
from contextlib import suppress
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from vedette_edge.files import create_memory_file, reopen_for_reading
from vedette_edge.images.encoding import downscale
from vedette_edge.images.preprocessing import Image
from vedette_edge.images.shared_picture import LARGEST_BYTES, STAMP, SharedPicture

MAX_SIDE = 2880  # px, to which larger originals are reduced: a square of it just fits
_ROOM = mmap.PAGESIZE + LARGEST_BYTES  # the stamp is at the end of the first page
_INVALID = -1  # stamp of a picture that is being written


class Originals(IntEnum):
    """The frames whose originals the reader needs."""

    NONE = 0
    AFTER_GAPS = 1  # of frames that come a while after the one before, or first
    ALL = 2


class Original(NamedTuple):
    """The original of a frame: upright, before crop and resize of its regions."""

    image_rgb: Image
    scale: float  # of the frame; below 1 if it was reduced


class OriginalsFile:
    """Room for the original of each slot of a frame buffer."""

    def __init__(self, slots: int, descriptor: int | None = None) -> None:
        """`descriptor` comes from the process that created the file."""
        total = slots * _ROOM
        name = "vedette-originals"
        self.descriptor = create_memory_file(name, total) if descriptor is None else descriptor
        self._memory = mmap.mmap(self.descriptor, total)
        self._reading: int | None = None  # a descriptor for viewers
        if descriptor is None:
            with suppress(OSError):
                self._reading = reopen_for_reading(self.descriptor)

    def write(self, slot: int, image_rgb: Image) -> tuple[int, int, float]:
        """Write an original, reduced if it is too large; its stamp follows with `finish`.

        Returns its height and width in px, and its scale.
        """
        width = image_rgb.shape[1]
        if image_rgb.nbytes > LARGEST_BYTES:
            image_rgb = downscale(image_rgb, MAX_SIDE)
        # By a system call, as processors may write to memory in another order than a program.
        os.pwrite(self.descriptor, STAMP.pack(_INVALID), _find_offset(slot) - STAMP.size)
        np.copyto(self.view(slot, *image_rgb.shape[:2]), image_rgb)
        return image_rgb.shape[0], image_rgb.shape[1], image_rgb.shape[1] / width

    def finish(self, slot: int, stamp: int) -> None:
        """Write the stamp of an original, which is whole now."""
        STAMP.pack_into(self._memory, _find_offset(slot) - STAMP.size, stamp)

    def view(self, slot: int, height: int, width: int) -> Image:
        """Return the original of a slot, which is valid until the slot is written again."""
        size = height * width * 3
        pixels = np.frombuffer(self._memory, np.uint8, size, _find_offset(slot))
        return pixels.reshape(height, width, 3)

    def lend(
        self, slot: int, stamp: int, size: tuple[int, int], scale: float
    ) -> SharedPicture | None:
        """Return the place of an original for viewers, who can only read; None without /proc."""
        if self._reading is None:
            return None
        return SharedPicture(self._reading, _find_offset(slot), stamp, *size, scale)

    def close(self) -> None:
        """Release the memory; the kernel frees it when no picture is in use any more."""
        with suppress(BufferError):
            self._memory.close()
        for descriptor in (self.descriptor, self._reading):
            if descriptor is not None:
                os.close(descriptor)


def _find_offset(slot: int) -> int:
    """Find the first pixel of a slot's original."""
    return slot * _ROOM + mmap.PAGESIZE
