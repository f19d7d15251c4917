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


def append_lines(path: Path, lines: bytes, limits: LogLimits) -> int:
    """Append whole lines within the limits of size, and return the bytes of all files.

    Renames a full file and deletes the oldest ones first. Raises OSError; a part of `lines` that
    was written is then removed again if the disk allows it.
    """
    full = find_rotated_files(path)
    size = path.stat().st_size if path.exists() else 0
    if size and size + len(lines) > limits.file_bytes:
        number = max(full, default=0) + 1
        full[number] = path.rename(path.with_name(f"{path.stem}.{number:06}{path.suffix}"))
        size = 0
    logs = list(filter(contains_log, full.values()))  # other files may have such a name
    kept = _trim(logs, limits.total_bytes - size - len(lines))
    return kept + _append(path, lines, limits.sync)


def _trim(full: list[Path], room: int) -> int:
    """Delete the oldest files until the others fit, and return their bytes."""
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
