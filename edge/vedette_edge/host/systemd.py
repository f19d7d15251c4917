"""What systemd is told: that the watch has begun, that it goes on, and what it sees."""

import os
import socket
import time
from contextlib import suppress


def notify(state: str) -> None:
    """Send a state, such as READY=1, as sd_notify(3) does; without systemd nothing happens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    # A leading @ stands for the zero byte of Linux' abstract addresses.
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.sendto(state.encode(), "\0" + address[1:] if address[0] == "@" else address)


LOST_USEC = 24 * 3600 * 10**6  # the watchdog's patience while the camera is lost


class Watchdog:
    """READY after the first frame that was classified; from then on the watchdog is fed.

    Frames that are classified feed it, and nothing else. While the camera is lost there are none,
    and a new start of the watch would bring none: it would only forget since when.
    """

    def __init__(self) -> None:
        self._patience_usec = int(os.environ.get("WATCHDOG_USEC", "0") or 0)
        # Twice as often as systemd asks, as its manual recommends.
        self._every_s = self._patience_usec / 2e6
        self._next_s = 0.0
        self._ready = False

    def feed(self) -> None:
        """A frame has been classified and told of."""
        if not self._ready:
            self._ready = True
            notify("READY=1")
            self.restore_timeout()  # the watch may have begun anew while the camera was lost
        if self._every_s and time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + self._every_s
            notify("WATCHDOG=1")

    def extend_timeout(self) -> None:
        """The camera gives nothing."""
        self._be_patient(LOST_USEC)

    def restore_timeout(self) -> None:
        """It gives frames again."""
        self._be_patient(self._patience_usec)

    def _be_patient(self, patience_usec: int) -> None:
        if self._every_s:  # at a reload systemd counts on from before
            notify(f"WATCHDOG_USEC={patience_usec}")
