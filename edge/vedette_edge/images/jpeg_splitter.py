"""JPEGs that follow one another in a stream of bytes, cut apart."""

import re
from collections.abc import Iterator

START, END = b"\xff\xd8\xff", b"\xff\xd9"
LARGEST = 64 << 20  # bytes of one picture
# In what an encoder wrote after a scan's header, FF is followed by 00 or by a restart's number;
# anything else is the next marker (ITU-T T.81, B.1.1.5).
_MARKER = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])", re.DOTALL)
_NEXT, _LAST = 0xD8, 0xD9
_TEMPORARY = 0x01  # the only other marker that no segment follows


class JpegSplitter:
    """Takes bytes as they come, gives whole JPEGs. What stands between two is passed over."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._at = 0  # how far the picture at the start was understood; 0: none was found

    @property
    def rest(self) -> int:
        """How many bytes of a picture that is not whole are there."""
        return len(self._data) if self._at else 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The JPEGs that have ended now; one that another begins within does not end in END."""
        self._data += data
        while self._started():
            end = self._end()
            if not end and len(self._data) <= LARGEST:
                return
            if end:
                yield bytes(self._data[:end])
            del self._data[: end or len(START)]
            self._at = 0

    def _started(self) -> bool:
        """Whether a picture has begun; what stands before it goes."""
        if not self._at:
            found = self._data.find(START)
            del self._data[: found if found >= 0 else max(0, len(self._data) - len(START) + 1)]
            self._at = 2 if found >= 0 else 0
        return bool(self._at)

    def _end(self) -> int:
        """Where the picture ends, if only because another begins; 0 if that has not come yet."""
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
