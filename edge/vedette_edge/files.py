"""Read files of a limited size, write files whole or not at all, and share memory as files."""

import errno
import fcntl
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MAX_BYTES = 256 << 20  # of a model or an image
PIECE_BYTES = 1 << 16


def find_state_directory() -> Path | None:
    """Find the folder that systemd keeps for the service's state; None outside the service."""
    return _find_directory("STATE_DIRECTORY")


def find_socket() -> Path | None:
    """Find the place of the service's socket; None outside the service."""
    folder = _find_directory("RUNTIME_DIRECTORY")
    return folder / "watch.sock" if folder else None


def _find_directory(name: str) -> Path | None:
    folder = Path(os.environ.get(name, "").partition(":")[0])  # several, with colons
    return folder if folder.is_absolute() else None


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success, that file replaces `path`.

    A link stays one, and its target is replaced. After an error or an interrupt, `path` is
    unchanged. Raises OSError, naming `path`, if it is no file, the folder is not writable or the
    disk is full.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        raise OSError(errno.EINVAL, "not a file, but a folder, a pipe or a device", str(path))
    temporary = target.with_name(
        f".{target.stem}-{os.getpid()}-{threading.get_ident()}{target.suffix}"
    )
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(target)
    except OSError as error:
        # Name the file that the user knows; the error of a full disk names none.
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str, errors: str = "surrogateescape") -> None:
    """Write a UTF-8 file whole or not at all.

    Names of files may have bytes that are not UTF-8. They stay as they are, or become escapes,
    which JSON understands, with `errors="backslashreplace"`.
    """
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors=errors, newline="")


def read_bounded(path: Path, most_bytes: int = MAX_BYTES) -> bytes:
    """Read a file. Raises OSError if it cannot be read or is larger than `most_bytes`.

    Refuses devices, which may have no end, and pipes, to which nobody may ever write.
    """
    if "\0" in str(path):
        raise OSError(errno.EINVAL, "a name with a null character", str(path))
    _refuse_devices(path.stat(), path)  # before it is opened, which a device may notice
    with open(path, "rb", buffering=0, opener=_open_without_waiting) as file:
        status = os.fstat(file.fileno())
        _refuse_devices(status, path)  # it may have been replaced meanwhile
        # The system's own files state a size of 0.
        pieces, left = list[bytes](), most_bytes + 1 if status.st_size <= most_bytes else 0
        size = max(status.st_size, PIECE_BYTES)  # in one piece, without a copy of it
        while piece := os.read(file.fileno(), min(left, size)):
            pieces.append(piece)
            left, size = left - len(piece), PIECE_BYTES
    if not left:
        most = f"{most_bytes >> 20} MiB" if most_bytes >> 20 else f"{most_bytes:,} bytes"
        raise OSError(errno.EFBIG, f"larger than {most}", str(path))
    return b"".join(pieces)


def _refuse_devices(status: os.stat_result, path: Path) -> None:
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise OSError(errno.EINVAL, "not a file, but a pipe or a device", str(path))


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


FIXED_SIZE = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
UNCHANGEABLE = FIXED_SIZE | fcntl.F_SEAL_WRITE


def create_memory_file(name: str, size: int) -> int:
    """Create a file in memory, of zeros, whose size stays; return its descriptor."""
    file = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.truncate(file, size)
    fcntl.fcntl(file, fcntl.F_ADD_SEALS, FIXED_SIZE)
    return file


def create_unchangeable_file(name: str, content: bytes | memoryview) -> int:
    """Create a file in memory that nobody can change; return its descriptor."""
    file = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.write(file, content)
        fcntl.fcntl(file, fcntl.F_ADD_SEALS, UNCHANGEABLE)
    except OSError:
        os.close(file)
        raise
    return file


def reopen_for_reading(file: int) -> int:
    """Open a file in memory again, to read; other users cannot open it for writing any more."""
    os.fchmod(file, 0o400)
    return os.open(f"/proc/self/fd/{file}", os.O_RDONLY | os.O_CLOEXEC)
