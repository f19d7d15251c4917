"""Signals that stop a watch, or restart it with a new configuration."""

import logging
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable

from vedette_edge.errors import SettingError

JOIN_S = 0.2  # at the end, for a configuration that is being read: its disk may hang

logger = logging.getLogger(__name__)


class Signals:
    """SIGTERM and SIGINT stop the watch; SIGHUP restarts it with the present configuration.

    Without a configuration file, SIGHUP stops it too: its terminal has been closed.

    None of them stops it within a record; only a second SIGINT does, as a KeyboardInterrupt. After
    the first one, that is raised at the end. Until the watch begins, SIGTERM and SIGINT end the
    program at once: loading a model may take long. A handler may interrupt the watch while it
    prints, so it must not print itself: a thread checks the configuration.
    """

    def __init__(self, check: Callable[[], None] | None) -> None:
        """`check` raises SettingError if the configuration is wrong; that is logged.

        None if there is no configuration.
        """
        # Readable once the watch is to stop, and once the configuration is to be checked. Without
        # EFD_CLOEXEC, the program that takes over after a reload would keep them.
        self.stop = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._check_event = os.eventfd(0, os.EFD_CLOEXEC)
        self._ended_by, self._ended_s = "", math.inf
        self._reload = self._closing = self._watching = False
        self._checker = threading.Thread(target=self._run_checks, daemon=True)
        self._check = check

    @property
    def reload_requested(self) -> bool:
        """True if the watch is to restart."""
        return self._reload and not self._ended_by

    @property
    def stop_reason(self) -> str:
        """Name of the signal that stops the watch; empty if none does."""
        return self._ended_by or ("SIGHUP" if self._reload else "")

    def __enter__(self) -> "Signals":
        handlers = {
            signal.SIGTERM: lambda *_: self._terminate("SIGTERM"),
            signal.SIGINT: lambda *_: self._interrupt(),
            signal.SIGHUP: lambda *_: self._hang_up(),
        }
        if not self._check and signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
            del handlers[signal.SIGHUP]  # nohup wants it ignored
        self._before = {number: signal.signal(number, one) for number, one in handlers.items()}
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
        self._checker.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._closing = True
        os.eventfd_write(self._check_event, 1)
        now_s = time.monotonic()  # the log's disk may have held up the end, too
        self._checker.join(max(0.0, min(now_s, self._ended_s) + JOIN_S - now_s))
        if self.reload_requested:  # a SIGHUP during the restart waits for the new process
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
            del self._before[signal.SIGHUP]
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if not self.reload_requested and not self._checker.is_alive():
            os.close(self.stop)
            os.close(self._check_event)
        if kind and self._ended_by in ("SIGTERM", "SIGHUP") and not self._watching:
            sys.exit(0)  # end cleanly, even if the signal made the start-up fail half way
        if not kind and self._ended_by == "SIGINT":
            raise KeyboardInterrupt

    def start_watch(self) -> None:
        """From now on, leave it to the watch to stop once `stop` is readable."""
        self._watching = True

    def request_restart(self) -> None:
        """Restart as SIGHUP does, also without a configuration. For any thread."""
        if self._check:
            os.eventfd_write(self._check_event, 1)
        else:
            self._reload = True
            os.eventfd_write(self.stop, 1)

    def _hang_up(self) -> None:
        if self._check:
            os.eventfd_write(self._check_event, 1)
        else:
            self._terminate("SIGHUP")

    def _terminate(self, name: str) -> None:
        self._end(name)
        if not self._watching:
            sys.exit(0)

    def _interrupt(self) -> None:
        if self.stop_reason or not self._watching:
            raise KeyboardInterrupt
        self._end("SIGINT")

    def _end(self, name: str) -> None:
        self._ended_by, self._ended_s = name, time.monotonic()
        for event in (self.stop, self._check_event):  # the checker ends, too
            os.eventfd_write(event, 1)

    def _run_checks(self) -> None:
        """Run the thread: a wrong configuration changes nothing."""
        while os.eventfd_read(self._check_event) and not self._closing and not self.stop_reason:
            try:
                if self._check:
                    self._check()
            except SettingError as error:
                logger.warning("%s\nThe watch continues unchanged", error)
            except Exception as error:  # this thread must live, or no later reload would work
                logger.warning(
                    "cannot check the settings (%r)\nThe watch continues unchanged", error
                )
            else:
                self._reload = True
                os.eventfd_write(self.stop, 1)
