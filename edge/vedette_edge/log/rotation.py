"""The files of a log: watch.jsonl is written, watch.000001.jsonl and on are full, oldest first.

A full file gets the next number by one rename and keeps it: killed at any moment, the order of
the numbers is the order of writing.
"""

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from vedette_edge.errors import SettingError

FILE_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class LogLimits:
    """How much a log may write. Raises SettingError where the figures contradict each other."""

    file_bytes: int = FILE_BYTES  # a file of this size is full
    total_bytes: int = 50_000_000  # all files together; the oldest is deleted
    day_bytes: int = 5_000_000  # in any 24 hours
    flush_s: float = 5.0  # at most this much is lost when the plug is pulled
    sync: bool = True  # each time onto the disk itself, not only into the system's memory

    def __post_init__(self) -> None:
        if not 0 < self.file_bytes <= self.total_bytes / 2:
            raise SettingError(
                f"log: file_bytes {self.file_bytes:,} and total_bytes {self.total_bytes:,}, but two"
                " files must find room; make file_bytes smaller or total_bytes larger"
            )
        if self.day_bytes <= 0 or self.flush_s <= 0:
            raise SettingError(
                f"log: day_bytes {self.day_bytes:,} and flush_s {self.flush_s:g} must exceed 0"
            )


def limits_of(day_mb: float, total_mb: float, flush_s: float) -> LogLimits:
    """Limits in MB; a file is full at 1 MB, or at less where all may have less than 2."""
    total_bytes = round(1e6 * total_mb)
    file_bytes = min(FILE_BYTES, total_bytes // 2)
    return LogLimits(file_bytes, total_bytes, round(1e6 * day_mb), flush_s)


def find_rotated_files(path: Path) -> dict[int, Path]:
    """The full files of the log at `path` by number, oldest first. Raises OSError."""
    name = re.compile(re.escape(path.stem) + r"\.([0-9]{6,})" + re.escape(path.suffix))
    found = {
        int(match[1]): entry
        for entry in path.parent.iterdir()
        if (match := name.fullmatch(entry.name))
    }
    return dict(sorted(found.items()))


def append_lines(path: Path, lines: bytes, limits: LogLimits) -> int:
    """Append whole lines, first making room as the limits demand; gives the bytes of all files.

    Raises OSError; what was written of `lines` is then taken back, if the disk allows even that.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    full = find_rotated_files(path)
    size = path.stat().st_size if path.exists() else 0
    if size and size + len(lines) > limits.file_bytes:
        number = max(full, default=0) + 1
        full[number] = path.rename(path.with_name(f"{path.stem}.{number:06}{path.suffix}"))
        size = 0
    kept = _trim(list(full.values()), limits.total_bytes - size - len(lines))
    return kept + _append(path, lines, limits.sync)


def _trim(full: list[Path], room: int) -> int:
    """Delete the oldest until the others have room; gives the bytes of these."""
    sizes = [file.stat().st_size for file in full]
    for file in full:
        if sum(sizes) <= room:
            break
        file.unlink()
        del sizes[0]
    return sum(sizes)


def _append(path: Path, lines: bytes, sync: bool) -> int:
    with path.open("a+b", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        try:
            _write(file, _mended(file, size) + lines)
            if sync:
                os.fdatasync(file.fileno())
        except OSError:
            with suppress(OSError):
                file.truncate(size)
            raise
        end = file.tell()
    if sync and not size:
        _sync_folder(path.parent)
    return end


def _mended(file: FileIO, size: int) -> bytes:
    """What must stand before the next line: a pulled plug may have left half a line, or zeros."""
    return b"" if not size or os.pread(file.fileno(), 1, size - 1) == b"\n" else b"\n"


def _write(file: FileIO, data: bytes) -> None:
    written = 0
    while written < len(data):  # once, but for a disk that is all but full; then it says why
        written += file.write(data[written:])


def _sync_folder(folder: Path) -> None:
    """A new file's name is on the disk only when its folder is."""
    with suppress(OSError):  # some file systems know no such thing
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
