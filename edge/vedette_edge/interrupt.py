"""Ctrl-C while a program starts: no traceback, and the exit code of an interrupt.

Only the standard library's fast modules are imported here, so that this takes effect early.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

INTERRUPTED = 130  # exit code: 128 + SIGINT, as in shells


@contextmanager
def exit_on_interrupt() -> Iterator[None]:
    """End the process at once on Ctrl-C: for imports, which can swallow KeyboardInterrupt.

    Leaves the handler of a program that handles Ctrl-C itself or ignores it.
    """
    with _replace_handler(signal.default_int_handler, _exit):
        yield


@contextmanager
def raise_on_interrupt() -> Iterator[None]:
    """Raise KeyboardInterrupt on Ctrl-C again: for a command, which has something to clean up."""
    with _replace_handler(_exit, signal.default_int_handler):
        yield


def _exit(*_: object) -> None:
    os._exit(INTERRUPTED)


@contextmanager
def _replace_handler(
    before: Callable[..., object], handler: Callable[..., object]
) -> Iterator[None]:
    main = threading.current_thread() is threading.main_thread()  # others may not set handlers
    if not main or signal.getsignal(signal.SIGINT) is not before:
        yield
        return
    signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
