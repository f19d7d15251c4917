"""Messages of the decoders within OpenCV, which report damage to file descriptor 2 alone.

OpenCV returns a damaged JPEG or TIFF as if it were whole.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import TemporaryFile

# Of libjpeg (jerror.h) and libtiff: pixels are missing or wrong.
_DAMAGE = re.compile(
    r"premature end of data segment|bad Huffman code|bad arithmetic code"
    r"|found marker .* instead of RST\d|Inconsistent progression sequence|TIFF_Error.*"
)
_UNUSED = re.compile(r"(\d+) extraneous bytes before marker")


@dataclass(frozen=True, slots=True)
class DecoderMessages:
    """The file that messages go to."""

    descriptor: int

    def count_bytes(self) -> int:
        """The length of all messages so far."""
        return os.fstat(self.descriptor).st_size

    def read(self, start: int) -> str:
        """Read the messages from a byte on."""
        return os.pread(self.descriptor, self.count_bytes() - start, start).decode(errors="replace")


@contextmanager
def capture_messages() -> Iterator[DecoderMessages]:
    """Send file descriptor 2 to a file, for all threads of the process."""
    copy = os.dup(2)
    try:
        with TemporaryFile() as file:
            os.dup2(file.fileno(), 2)
            yield DecoderMessages(file.fileno())
    finally:
        os.dup2(copy, 2)
        os.close(copy)


def find_damage(messages: str) -> str:
    """The first message on missing or wrong pixels, or an empty string."""
    match = _DAMAGE.search(messages)
    return match[0] if match else ""


def count_unused(messages: str) -> int:
    """Bytes of a JPEG that its image does not use: after damage, or if something was appended."""
    return sum(map(int, _UNUSED.findall(messages)))
