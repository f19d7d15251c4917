"""Ctrl-C: its exit code, and other handlers for a while.

Only the standard library's fast modules are imported here, so that this takes effect early.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

Handler = Callable[[int, FrameType | None], object]

INTERRUPTED = 130  # exit code: 128 + SIGINT, as in shells


@contextmanager
def exit_on_interrupt() -> Iterator[None]:
    """End the process at once on Ctrl-C: for imports, which can swallow KeyboardInterrupt.

    Leaves the handler of a program that handles Ctrl-C itself or ignores it.
    """
    with handle_interrupt(_exit, instead_of=signal.default_int_handler):
        yield


@contextmanager
def raise_on_interrupt() -> Iterator[None]:
    """Raise KeyboardInterrupt on Ctrl-C again: for a command, which has something to clean up."""
    with handle_interrupt(signal.default_int_handler, instead_of=_exit):
        yield


def _exit(*_: object) -> None:
    os._exit(INTERRUPTED)


@contextmanager
def handle_interrupt(handler: Handler, instead_of: Handler | None = None) -> Iterator[None]:
    """Handle SIGINT in the main thread, which alone receives it, unless it is ignored.

    Leaves any other handler than `instead_of`, if that is not None.
    """
    before = signal.getsignal(signal.SIGINT)
    if not callable(before) or instead_of not in (None, before):
        yield
        return
    try:
        signal.signal(signal.SIGINT, handler)
    except ValueError:  # in another thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
