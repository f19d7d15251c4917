"""Signals that end a watch, or begin it anew."""

import os
import signal
import sys
from collections.abc import Callable

from vedette_edge.errors import SettingError


class Signals:
    """SIGTERM and SIGINT end the watch, SIGHUP begins it anew with the configuration as it is now.

    None of them ends it within a record; a second SIGINT does, as a KeyboardInterrupt. Until the
    watch begins SIGTERM and SIGINT end the program where it stands: importing and loading a model
    may take long.
    """

    def __init__(self, check: Callable[[], None], say: Callable[[str], None]) -> None:
        """`check` raises SettingError for a configuration that is wrong, of which `say` tells."""
        self.stop = os.eventfd(0, os.EFD_NONBLOCK)  # readable once the watch is to end
        self.reason = ""
        self.again = False
        self._watching = False
        self._check, self._say = check, say

    def __enter__(self) -> "Signals":
        handlers = {
            signal.SIGTERM: lambda *_: self._terminate(),
            signal.SIGINT: lambda *_: self._interrupt(),
            signal.SIGHUP: lambda *_: self._reload(),
        }
        self._before = {number: signal.signal(number, one) for number, one in handlers.items()}
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self.again:  # one that comes while the program is replaced waits for its successor
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
            del self._before[signal.SIGHUP]
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self.stop)
        if kind and self.reason == "SIGTERM" and not self._watching:
            sys.exit(0)  # whatever became of it on its way, as an import that says it failed

    def wait_for_watch(self) -> None:
        """From now on the watch ends itself, once `stop` is readable."""
        self._watching = True

    def _end(self, reason: str) -> None:
        self.reason = reason
        os.eventfd_write(self.stop, 1)

    def _terminate(self) -> None:
        self.again = False
        self._end("SIGTERM")
        if not self._watching:
            sys.exit(0)

    def _interrupt(self) -> None:
        if self.reason or not self._watching:
            raise KeyboardInterrupt
        self._end("SIGINT")

    def _reload(self) -> None:
        """A configuration that is wrong changes nothing."""
        if self.reason:
            return
        try:
            self._check()
        except SettingError as error:
            self._say(f"{error}\nThe watch goes on as it was")
        else:
            self.again = True
            self._end("SIGHUP")
