"""The place of the watch's socket in the file system."""

import errno
import os
import socket
import stat
from pathlib import Path

from vedette_edge.errors import SettingError

MODE = 0o660


def listen(path: Path) -> socket.socket:
    """Listen at a path, in place of a socket that nobody listens at. Raises SettingError."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        _remove_left(path)
        listener.bind(str(path))
        path.chmod(MODE)
        listener.listen()
        listener.setblocking(False)
    except (OSError, SettingError) as error:
        listener.close()
        if isinstance(error, SettingError):
            raise
        raise SettingError(f"{path}: {error.strerror or error}; expected a new socket") from error
    return listener


def _remove_left(path: Path) -> None:
    """Remove the socket of a watch that was killed. Raises SettingError for anything else."""
    if not os.path.lexists(path):
        return
    if not stat.S_ISSOCK(path.lstat().st_mode):
        raise SettingError(f"{path}: exists and is no socket; choose another name")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as probe:
        if probe.connect_ex(str(path)) != errno.ECONNREFUSED:
            raise SettingError(f"{path}: another program serves it; choose another name")
    path.unlink()
