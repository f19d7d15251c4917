"""Signals that end a watch, or begin it anew."""

import os
import signal
import sys
import threading
from collections.abc import Callable

from vedette_edge.errors import SettingError

PATIENCE_S = 1.0  # at the end, for a configuration that is being read: its disk may hang


class Signals:
    """SIGTERM and SIGINT end the watch, SIGHUP begins it anew with the configuration as it is now.

    None of them ends it within a record; a second SIGINT does, as a KeyboardInterrupt. Until the
    watch begins SIGTERM and SIGINT end the program where it stands: importing and loading a model
    may take long. A handler may interrupt the watch while it prints, so that it must not print
    itself: a thread looks at the configuration.
    """

    def __init__(self, check: Callable[[], None], say: Callable[[str], None]) -> None:
        """`check` raises SettingError for a configuration that is wrong, of which `say` tells."""
        self.stop = os.eventfd(0, os.EFD_NONBLOCK)  # readable once the watch is to end
        self._asked = os.eventfd(0)  # readable once the configuration is to be looked at
        self._ended_by = ""
        self._renewed = self._closing = self._watching = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._check, self._say = check, say

    @property
    def reload_requested(self) -> bool:
        """Whether the watch is to begin anew."""
        return self._renewed and not self._ended_by

    @property
    def stop_reason(self) -> str:
        """The signal that ends the watch, or nothing."""
        return self._ended_by or ("SIGHUP" if self._renewed else "")

    def __enter__(self) -> "Signals":
        handlers = {
            signal.SIGTERM: lambda *_: self._terminate(),
            signal.SIGINT: lambda *_: self._interrupt(),
            signal.SIGHUP: lambda *_: os.eventfd_write(self._asked, 1),
        }
        self._before = {number: signal.signal(number, one) for number, one in handlers.items()}
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
        self._reader.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._closing = True
        os.eventfd_write(self._asked, 1)
        self._reader.join(PATIENCE_S)
        if (
            self.reload_requested
        ):  # one that comes while the program is replaced waits for its successor
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
            del self._before[signal.SIGHUP]
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if not self.reload_requested and not self._reader.is_alive():
            os.close(self.stop)
            os.close(self._asked)
        if kind and self._ended_by == "SIGTERM" and not self._watching:
            sys.exit(0)  # whatever became of it on its way, as an import that says it failed

    def wait_for_watch(self) -> None:
        """From now on the watch ends itself, once `stop` is readable."""
        self._watching = True

    def _end(self) -> None:
        os.eventfd_write(self.stop, 1)

    def _terminate(self) -> None:
        self._ended_by = "SIGTERM"
        self._end()
        if not self._watching:
            sys.exit(0)

    def _interrupt(self) -> None:
        if self.stop_reason or not self._watching:
            raise KeyboardInterrupt
        self._ended_by = "SIGINT"
        self._end()

    def _read(self) -> None:
        """The thread: a configuration that is wrong changes nothing."""
        while os.eventfd_read(self._asked) and not self._closing and not self.stop_reason:
            try:
                self._check()
            except SettingError as error:
                self._say(f"{error}\nThe watch goes on as it was")
            else:
                self._renewed = True
                self._end()
