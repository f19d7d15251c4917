"""A viewer of the watch's socket."""

import array
import fcntl
import socket
import termios
import time
from dataclasses import dataclass, field

MOST_REQUESTS = 200  # of a viewer, a second: then it is closed


@dataclass(slots=True)
class Viewer:
    """A connection of a viewer, and what it has asked for."""

    connection: socket.socket
    records: bool = False
    parts: frozenset[str] = field(default_factory=frozenset)  # of the next frame
    dropped: int = 0  # packets, since the last one that it was sent
    _begun_s: float = 0.0  # of the second in which its requests are counted
    _requests: int = 0

    def is_flooding(self) -> bool:
        """Count a request; true if there are too many."""
        now_s = time.monotonic()
        if now_s - self._begun_s >= 1:
            self._begun_s, self._requests = now_s, 0
        self._requests += 1
        return self._requests > MOST_REQUESTS

    @property
    def has_unread(self) -> bool:
        """True if packets wait that the viewer has not read."""
        waiting = array.array("i", [0])
        fcntl.ioctl(self.connection, termios.TIOCOUTQ, waiting)
        return bool(waiting[0])
