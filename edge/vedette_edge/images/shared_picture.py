"""A picture in memory that another process goes on writing to."""

import os
import struct
from dataclasses import dataclass

import numpy as np

from vedette_edge.images.preprocessing import Image

LARGEST_BYTES = 3 * 3840 * 2160
STAMP = struct.Struct("<q")  # just before the first pixel


@dataclass(frozen=True, slots=True)
class SharedPicture:
    """The place of a frame's picture, for a moment: then a newer frame's may be there."""

    file: int  # a descriptor to read
    offset: int  # of the first pixel, in bytes
    stamp: int  # of the picture: no other one has the same
    height: int  # px
    width: int  # px
    scale: float = 1.0  # of the frame; below 1 if it was reduced

    def read(self) -> Image | None:
        """Read the picture; None if a newer frame has taken its place. Raises OSError.

        Its writer sets another stamp before it writes: one that is the same before and after shows
        that the picture is whole.
        """
        image_rgb = np.empty((self.height, self.width, 3), np.uint8)
        before = self._read_stamp()
        count = os.preadv(self.file, [image_rgb.data], self.offset)
        is_whole = count == image_rgb.nbytes and before == self._read_stamp() == self.stamp
        return image_rgb if is_whole else None

    def _read_stamp(self) -> int | None:
        data = os.pread(self.file, STAMP.size, self.offset - STAMP.size)
        return STAMP.unpack(data)[0] if len(data) == STAMP.size else None
