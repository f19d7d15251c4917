"""Files that are whole or not there."""

import errno
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Give a path to write beside `path`; what is there takes `path`'s place if all went well.

    After an error or an interrupt, what stood at `path` stands there unchanged. Raises OSError,
    naming `path`, if the folder cannot be written or the disk is full.
    """
    temporary = path.with_name(f".{path.stem}-{os.getpid()}-{threading.get_ident()}{path.suffix}")
    try:
        yield temporary
        _flush(temporary)
        temporary.replace(path)
    except OSError as error:
        # The file that the user knows; and full disks are told of without any name.
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file whole or not at all."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="surrogateescape", newline="")


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


MAX_BYTES = 256 << 20  # of a model, of a picture


def read_bounded(path: Path, most_bytes: int = MAX_BYTES) -> bytes:
    """What is in a file. Raises OSError for one that cannot be read or is larger.

    And for a device, which may have no end, and a pipe, into which nobody may ever write.
    """
    found = path.stat()
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
        raise OSError(errno.EINVAL, "is no file, but a pipe or a device", str(path))
    if found.st_size > most_bytes and path.is_file():
        raise OSError(errno.EFBIG, f"is larger than {most_bytes >> 20} MiB", str(path))
    return path.read_bytes()
