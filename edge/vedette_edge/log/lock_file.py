"""The lock of a log: a hidden file beside it, which also keeps what a restart must know."""

import errno
import fcntl
import json
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

from vedette_edge.errors import SettingError

STATE_BYTES = 1024  # the state is padded to this size, and written over in place


class LockFile:
    """A lock on a log, for one process at a time. The system releases it when the process ends.

    It is not on the log itself, which is renamed when it is full.
    """

    def __init__(self, log: Path) -> None:
        self._log, self._path = log, log.with_name(f".{log.name}.lock")
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Lock the log. Returns True if it was not locked before, or the file has gone since.

        A disk that does not take the file is no error, nor is one that knows no locks. Raises
        SettingError if another process holds the lock.
        """
        if self._is_held():
            return False
        self.release()
        with suppress(OSError):
            # Not inheritable, as always in Python: a child must not hold the lock. Not for writing:
            # the disk could not be made read-only while the watch runs.
            self._descriptor = os.open(
                self._path, os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600
            )
            self._check_file(self._descriptor)
            self._lock(self._descriptor)
        return self._descriptor is not None

    def read(self) -> dict[str, Any]:
        """Read the state; empty if there is none, or it is damaged."""
        if self._descriptor is not None:
            with suppress(OSError, ValueError, RecursionError):
                state = json.loads(os.pread(self._descriptor, STATE_BYTES, 0))
                return state if isinstance(state, dict) else {}
        return {}

    def write(self, state: dict[str, object]) -> None:
        """Write the state, if the disk takes it. It survives a kill, and usually a power cut."""
        if self._is_held():
            text = json.dumps({"pid": os.getpid()} | state).ljust(STATE_BYTES)
            with suppress(OSError), self._path.open("r+b", buffering=0) as file:
                file.write(text.encode())

    def release(self) -> None:
        """Release the lock. The file stays."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _is_held(self) -> bool:
        """True if the locked file is still there: its folder may be removed or unmounted."""
        with suppress(OSError):
            return self._descriptor is not None and os.path.samestat(
                os.fstat(self._descriptor), self._path.lstat()
            )
        return False

    def _check_file(self, descriptor: int) -> None:
        """Close what is no file: writing to a pipe would block."""
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            self.release()
            raise OSError(errno.EINVAL, "not a file", str(self._path))

    def _lock(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            pid = self.read().get("pid", "of another watch")
            self.release()
            raise SettingError(
                f"{self._log}: process {pid} logs there already; stop it, or name another file"
            ) from error
