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
        out.setblocking(False)  # nothing waits for a systemd that does not read
        out.sendto(state.encode(), "\0" + address[1:] if address[0] == "@" else address)


class Watchdog:
    """Feeds systemd's watchdog. Call `feed` when work is finished, never from a timer."""

    def __init__(self) -> None:
        self._every_s = self._next_s = 0.0  # 0: no watchdog
        with suppress(ValueError):  # twice as often as systemd demands, as its manual recommends
            self._every_s = int(os.environ.get("WATCHDOG_USEC", "0")) / 2e6

    def feed(self) -> None:
        """Report that work has been finished, if it is time to."""
        if self._every_s and time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + self._every_s
            notify("WATCHDOG=1")
