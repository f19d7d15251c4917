"""What systemd is told: that the watch has begun, and that it goes on."""

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


class Pulse:
    """READY after the first frame that was classified; from then on the watchdog is fed."""

    def __init__(self) -> None:
        # Twice as often as systemd asks, as its manual recommends.
        self._every_s = int(os.environ.get("WATCHDOG_USEC", "0") or 0) / 2e6
        self._next_s = 0.0
        self._ready = False

    def beat(self) -> None:
        """A frame has been classified and told of."""
        if not self._ready:
            self._ready = True
            notify("READY=1")
        if self._every_s and time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + self._every_s
            notify("WATCHDOG=1")
