"""Append to a log and rotate its files: watch.jsonl, and full ones from watch.000001.jsonl on.

A full file gets the next number by one rename and keeps it: even if the watch is killed, the
order of the numbers is the order of writing.
"""

import os
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from vedette_edge.errors import SettingError
from vedette_edge.log.detection import contains_log
from vedette_edge.log.reader import find_rotated_files

FILE_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class LogLimits:
    """The limits of a log. Raises SettingError if they contradict each other."""

    file_bytes: int = FILE_BYTES  # a file of this size is full
    total_bytes: int = 50_000_000  # all files together; the oldest is deleted
    day_bytes: int = 5_000_000  # in any 24 hours
    flush_s: float = 5.0  # at most this much is lost at a power cut
    sync: bool = True  # each flush onto the disk itself, not only into the system's memory

    @classmethod
    def from_megabytes(cls, day_mb: float, total_mb: float, flush_s: float) -> "LogLimits":
        """Limits in MB; a file is full at 1 MB, or at half of a total below 2 MB."""
        total_bytes = round(1e6 * total_mb)
        file_bytes = min(FILE_BYTES, total_bytes // 2)
        return cls(file_bytes, total_bytes, round(1e6 * day_mb), flush_s)

    def __post_init__(self) -> None:
        if not 0 < self.file_bytes <= self.total_bytes / 2:
            raise SettingError(
                f"log: file_bytes {self.file_bytes:,} and total_bytes {self.total_bytes:,}, but "
                "two files must fit; make file_bytes smaller or total_bytes larger"
            )
        if self.day_bytes <= 0 or self.flush_s <= 0:
            raise SettingError(
                f"log: day_bytes {self.day_bytes:,} and flush_s {self.flush_s:g} must exceed 0"
            )


class RotatingFile:
    """The files of a log, to append to.

    It looks at the full files after it renames one, and when they no longer fit: with thousands of
    them, that takes longer than to write.
    """

    def __init__(self, path: Path, limits: LogLimits) -> None:
        self._path, self._limits = path, limits
        self._full_bytes = limits.total_bytes  # not known yet: as if there were no room

    def append(self, lines: bytes) -> int:
        """Append whole lines within the limits of size, and return the bytes of all files.

        Renames a full file and deletes the oldest ones first. Raises OSError; a part of `lines`
        that was written is then removed again if the disk allows it.
        """
        size = self._path.stat().st_size if self._path.exists() else 0
        if size and size + len(lines) > self._limits.file_bytes:
            self._rename()
            size = 0
        room = self._limits.total_bytes - size - len(lines)
        if not size or self._full_bytes > room:
            self._full_bytes = _trim(self._path, room)
        return self._full_bytes + _append(self._path, lines, self._limits.sync)

    def _rename(self) -> None:
        number = max(find_rotated_files(self._path), default=0) + 1
        self._path.rename(self._path.with_name(f"{self._path.stem}.{number:06}{self._path.suffix}"))


def _trim(path: Path, room: int) -> int:
    """Delete the oldest full files until the others fit, and return their bytes."""
    # Other files may have such a name.
    sizes = {
        file: file.stat().st_size
        for file in find_rotated_files(path).values()
        if contains_log(file)
    }
    for file in list(sizes):
        if sum(sizes.values()) <= room:
            break
        file.unlink(missing_ok=True)
        del sizes[file]
    return sum(sizes.values())


def _append(path: Path, lines: bytes, sync: bool) -> int:
    with path.open("a+b", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        try:
            # A power cut may leave half a line, or zeros: complete it.
            complete = not size or os.pread(file.fileno(), 1, size - 1) == b"\n"
            _write(file, lines if complete else b"\n" + lines)
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


def _write(file: FileIO, data: bytes) -> None:
    written = 0
    while written < len(data):  # again only if the disk is nearly full; then it raises the error
        written += file.write(data[written:])


def _sync_folder(folder: Path) -> None:
    """Write the folder to the disk, without which a new file's name is not there."""
    with suppress(OSError):  # some file systems do not support it
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
