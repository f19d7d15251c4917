"""Files that are read as a whole, and within bounds."""

import errno
import stat
from pathlib import Path

MOST_BYTES = 256 << 20  # of a model, of a picture


def content(path: Path, most_bytes: int = MOST_BYTES) -> bytes:
    """What is in a file. Raises OSError for one that cannot be read or is larger.

    And for a device, which may have no end, and a pipe, into which nobody may ever write.
    """
    found = path.stat()
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
        raise OSError(errno.EINVAL, "is no file, but a pipe or a device", str(path))
    if found.st_size > most_bytes and path.is_file():
        raise OSError(errno.EFBIG, f"is larger than {most_bytes >> 20} MiB", str(path))
    return path.read_bytes()
