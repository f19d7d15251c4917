"""A viewer of the watch's socket."""

import array
import fcntl
import math
import socket
import termios
import time
from dataclasses import dataclass, field

from vedette_edge.live.protocol import IN_FILES, Request

MOST_REQUESTS = 200  # of a viewer, a second: then it is closed


@dataclass(slots=True)
class Viewer:
    """A connection of a viewer, and what it has asked for."""

    connection: socket.socket
    records: bool = False
    parts: frozenset[str] = field(default_factory=frozenset)  # of the next frame
    due_s: float = math.inf  # when it is to have them, by the monotonic clock
    dropped: int = 0  # packets, since the last one that it was sent
    _interval_s: float = 0.0  # to the frame after
    _begun_s: float = 0.0  # of the second in which its requests are counted
    _requests: int = 0

    def take(self, request: Request) -> None:
        """Note what it asks for."""
        self.records |= request.records
        if request.parts or request.is_empty:
            self.parts, self._interval_s = request.parts, request.interval_s
            self.due_s = time.monotonic() if request.parts else math.inf

    @property
    def may_be_behind(self) -> bool:
        """True if what is sent could gather unread: files, or frames that it need not ask for."""
        return self._interval_s > 0 or bool(self.parts & IN_FILES)

    def plan(self, now_s: float) -> None:
        """Note that it is answered, and when it is to have the next frame."""
        self.due_s = max(self.due_s + self._interval_s, now_s) if self._interval_s else math.inf

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
