"""A log on a disk: check that it is one, lock it, append to it, and keep its quota."""

import os
import time
from pathlib import Path

from vedette_edge.log.detection import check_log, find_log_files
from vedette_edge.log.lock_file import LockFile
from vedette_edge.log.quota import Quota
from vedette_edge.log.rotation import LogLimits, RotatingFile

SAVE_S = 600.0  # between two savings of the quota: they wear a card, too


class LogStorage:
    """The files of a log, and its quota. For one thread: each method may wait for the disk."""

    def __init__(self, path: Path, limits: LogLimits) -> None:
        self._path, self._limits = path, limits
        self._files = RotatingFile(path, limits)
        self._lock: LockFile | None = None  # None: links in the path are not resolved yet
        self._is_restored = False
        self._saved_s = 0.0
        self.quota = Quota(limits.day_bytes)
        self.size = 0  # bytes of all files

    def open(self) -> None:
        """Check and lock the log, unless it is locked.

        Raises SettingError if the path has no log or another process logs there, and OSError.
        """
        if self._lock is None:
            self._path = Path(os.path.realpath(self._path))
            self._lock = LockFile(self._path)
            self._files = RotatingFile(self._path, self._limits)
        check_log(self._path)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self.size = self.size or sum(file.stat().st_size for file in find_log_files(self._path))
        if self._lock.acquire():
            if not self._is_restored:
                self.quota.restore(self._lock.read(), time.monotonic(), self.size)
            self._is_restored = True
            self._save(self._lock)

    def append(self, lines: bytes) -> None:
        """Append whole lines. Raises SettingError, as `open` does, and OSError."""
        self.open()
        before, self.size = self.size, self._files.append(lines)
        # A deleted file hides growth from `Quota.restore`, which must know of it.
        has_deleted = self.size < before + len(lines)
        if self._lock and (has_deleted or time.monotonic() - self._saved_s >= SAVE_S):
            self._save(self._lock)

    def close(self) -> None:
        """Save the quota and release the lock."""
        if self._lock:
            self._save(self._lock)
            self._lock.release()

    def _save(self, lock: LockFile) -> None:
        self._saved_s = time.monotonic()
        lock.write(self.quota.save(self._saved_s, self.size))
