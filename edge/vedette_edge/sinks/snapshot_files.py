"""Snapshots in a folder: their names, and the files, of which the oldest make room for the next."""

import math
import os
import re
import time
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from vedette_edge.errors import SettingError

RESCAN_S = 600.0  # a folder of thousands takes a while
ABANDONED_S = 60.0  # age of a temporary file of another process, which was killed
REGION_LENGTH, LABEL_LENGTH = 30, 40  # characters in a name
_NAME = re.compile(r"[0-9]{8}T[0-9]{6}\.[0-9]{3}Z-[0-9]+[A-Za-z0-9_-]*\.jpg")
_TEMPORARY = re.compile(r"\.vedette-[0-9]+\.part")


@dataclass(frozen=True, slots=True)
class SnapshotLimits:
    """The limits of a folder of snapshots. Raises SettingError if they leave no room for any."""

    total_bytes: int = 200_000_000  # all snapshots together; the oldest are deleted
    files: int = 1_000

    @classmethod
    def from_megabytes(cls, total_mb: float, files: int) -> "SnapshotLimits":
        """Limits in MB and in files."""
        return cls(round(1e6 * total_mb), files)

    def __post_init__(self) -> None:
        if self.total_bytes <= 0 or self.files <= 0:
            raise SettingError(
                f"snapshots: at most {self.total_bytes:,} bytes and {self.files:,} files, but both "
                "must exceed 0; to keep no snapshots, set no folder"
            )


def create_snapshot_name(record: Mapping[str, object]) -> str:
    """Create a file name, such as 20261126T193319.123Z-8812-door-fox.jpg, for a `change` record.

    By name is by time. Two regions of a frame never share a name.
    """
    region, label = str(record.get("region", "")), str(record.get("label", ""))
    slug = _create_slug(region, REGION_LENGTH)
    # So that another region differs, of which the same is left, or which a label continues.
    if slug != region or "-" in region:
        checksum = zlib.crc32(region.encode("utf-8", "replace"))
        slug = f"{slug[: REGION_LENGTH - 9]}-{checksum:08x}".lstrip("-")
    time_and_frame = re.sub("[-:]", "", str(record["time"])), str(record.get("frame", 0))
    parts = (*time_and_frame, slug, _create_slug(label, LABEL_LENGTH))
    return f"{'-'.join(filter(None, parts))}.jpg"


def is_snapshot_name(name: str) -> bool:
    """True for the name of a snapshot: other files in the folder are their owner's."""
    return bool(_NAME.fullmatch(name))


class SnapshotFiles:
    """The snapshots in a folder. For one thread: each method may wait for the disk.

    Links are neither followed nor counted. The oldest are those of an earlier process, by name,
    and then those of this one, in the order of writing, whatever the clock says.
    """

    def __init__(self, path: Path, limits: SnapshotLimits) -> None:
        self._path, self._limits = path, limits
        self._sizes: dict[str, int] = {}  # name: bytes, the oldest first
        self._folder = (0, 0)  # device and inode of the folder that was scanned
        self._scanned_s = -math.inf
        self.size = 0  # bytes of all

    @property
    def count(self) -> int:
        """The number of snapshots."""
        return len(self._sizes)

    def open(self) -> None:
        """Create the folder if it is missing, and look what it holds. Raises OSError."""
        self._path.mkdir(parents=True, exist_ok=True)
        status = self._path.stat()
        folder = status.st_dev, status.st_ino  # others after it was removed, or mounted
        if folder != self._folder or time.monotonic() - self._scanned_s >= RESCAN_S:
            self._scan()
            self._folder, self._scanned_s = folder, time.monotonic()

    def write(self, name: str, jpeg: bytes) -> None:
        """Write a snapshot whole or not at all, after deleting the oldest. Raises OSError."""
        try:
            self.open()
            self._make_room(len(jpeg))
            self._write(name, jpeg)
        except OSError:
            self._scanned_s = -math.inf  # others may have changed something
            raise
        self._forget(name)
        self._sizes[name] = len(jpeg)
        self.size += len(jpeg)

    def _write(self, name: str, jpeg: bytes) -> None:
        temporary = self._path / f".vedette-{os.getpid()}.part"
        temporary.unlink(missing_ok=True)
        try:
            with temporary.open("xb") as file:  # not through a link
                file.write(jpeg)
                file.flush()
                os.fdatasync(file.fileno())  # a power cut could leave an empty file
            temporary.replace(self._path / name)
        finally:
            temporary.unlink(missing_ok=True)

    def _make_room(self, size: int) -> None:
        limits = self._limits
        while self._sizes and (
            len(self._sizes) >= limits.files or self.size + size > limits.total_bytes
        ):
            oldest = next(iter(self._sizes))
            (self._path / oldest).unlink(missing_ok=True)
            self._forget(oldest)

    def _forget(self, name: str) -> None:
        self.size -= self._sizes.pop(name, 0)

    def _scan(self) -> None:
        """Read the folder: new names first, by time, and then the known ones as they were."""
        sizes = dict[str, int]()
        with os.scandir(self._path) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):  # deleted meanwhile
                    if is_snapshot_name(entry.name) and entry.is_file(follow_symlinks=False):
                        sizes[entry.name] = entry.stat(follow_symlinks=False).st_size
                    elif _TEMPORARY.fullmatch(entry.name):
                        _delete_abandoned(entry)
        names = (*sorted(sizes.keys() - self._sizes.keys()), *self._sizes)
        self._sizes = {name: sizes[name] for name in names if name in sizes}
        self.size = sum(self._sizes.values())


def _create_slug(text: str, most: int) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", text)[:most].strip("-")


def _delete_abandoned(entry: "os.DirEntry[str]") -> None:
    status = entry.stat(follow_symlinks=False)
    if abs(time.time() - status.st_mtime) > ABANDONED_S:  # the clock may have been set
        Path(entry.path).unlink()
