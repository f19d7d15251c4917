"""Pillow's warnings of odd files, which nobody can act on."""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_ONE_AT_A_TIME = threading.Lock()


@contextmanager
def ignore_warnings() -> Iterator[None]:
    """Ignore all warnings; filters are the whole process's, so one thread at a time."""
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
