"""Files that are read as a whole, and within bounds: a device has no end."""

import errno
import os
from pathlib import Path

MOST_BYTES = 256 << 20  # of a model, of a picture


def content(path: Path, most_bytes: int = MOST_BYTES) -> bytes:
    """What is in a file. Raises OSError for one that cannot be read or is larger."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size  # 0 for pipes and devices
        data = file.read(min(size, most_bytes) or most_bytes)
        if file.read(1):
            raise OSError(errno.EFBIG, f"is larger than {most_bytes >> 20} MiB", str(path))
    return data
