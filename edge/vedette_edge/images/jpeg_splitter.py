"""Split a stream of bytes into the JPEGs that follow one another in it."""

import re
from collections.abc import Iterator

START, END = b"\xff\xd8\xff", b"\xff\xd9"
LARGEST = 64 << 20  # bytes of one image
# In what an encoder writes after a scan's header, FF is followed by 00 or by a restart's number;
# anything else is the next marker (ITU-T T.81, B.1.1.5).
_MARKER = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])", re.DOTALL)
_NEXT, _LAST = 0xD8, 0xD9
_TEMPORARY = 0x01  # the only other marker that no segment follows


class JpegSplitter:
    """Takes bytes as they come, gives whole JPEGs, and skips what stands between two."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._at = 0  # how far the image at the start has been read; 0: no image has begun

    @property
    def rest(self) -> int:
        """The number of bytes of an image that is not complete yet."""
        return len(self._data) if self._at else 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Add bytes and yield the JPEGs that they complete.

        A JPEG within which another begins does not end in END. One that is larger than LARGEST is
        dropped with all that may have begun within it.
        """
        self._data += data
        while self._find_start():
            end = self._find_end()
            if not end and len(self._data) <= LARGEST:
                return
            if end:
                yield bytes(self._data[:end])
            del self._data[: end or None]
            self._at = 0

    def _find_start(self) -> bool:
        """Drop what stands before the next image. True if an image has begun."""
        if not self._at:
            start = self._data.find(START)
            del self._data[: start if start >= 0 else max(0, len(self._data) - len(START) + 1)]
            self._at = 2 if start >= 0 else 0
        return bool(self._at)

    def _find_end(self) -> int:
        """The position where the image ends or another begins; 0 if that has not come yet."""
        while marker := _MARKER.search(self._data, self._at):
            kind, after = marker[1][0], marker.end()
            if kind in (_NEXT, _LAST):
                return after if kind == _LAST else marker.start()
            length = int.from_bytes(self._data[after : after + 2], "big")
            if kind == _TEMPORARY:
                length = 0
            elif len(self._data) < after + max(2, length):
                return 0
            self._at = after + length
        self._at = max(self._at, len(self._data) - 1)
        return 0
