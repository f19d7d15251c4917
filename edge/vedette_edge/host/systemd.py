"""Notify systemd that the watch is ready and alive, and of its status."""

import os
import socket
import time
from contextlib import suppress


def notify(state: str) -> None:
    """Send a state, such as READY=1, as sd_notify(3) does; without systemd, do nothing."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    # A leading @ stands for the zero byte of Linux's abstract addresses.
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.sendto(state.encode(), "\0" + address[1:] if address[0] == "@" else address)


LOST_USEC = 24 * 3600 * 10**6  # the watchdog's time-out while the camera is lost


class Watchdog:
    """Reports READY after the first classified frame, and feeds systemd's watchdog from then on.

    Only classified frames feed it. While the camera is lost there are none, and a restart of
    the watch would not help: the time-out is long until the camera is back.
    """

    def __init__(self) -> None:
        self._timeout_usec = int(os.environ.get("WATCHDOG_USEC", "0") or 0)
        # Twice as often as systemd demands, as its manual recommends.
        self._every_s = self._timeout_usec / 2e6
        self._next_s = 0.0
        self._ready = False

    def feed(self) -> None:
        """Report that a frame has been classified."""
        if not self._ready:
            self._ready = True
            notify("READY=1")
            self.restore_timeout()  # a restart may have come while the camera was lost
        if self._every_s and time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + self._every_s
            notify("WATCHDOG=1")

    def extend_timeout(self) -> None:
        """Report that the camera is lost: extend the time-out."""
        self._set_timeout(LOST_USEC)

    def restore_timeout(self) -> None:
        """Report that the camera is back: restore the time-out."""
        self._set_timeout(self._timeout_usec)

    def _set_timeout(self, timeout_usec: int) -> None:
        if self._every_s:  # a reload does not reset the time-out
            notify(f"WATCHDOG_USEC={timeout_usec}")
