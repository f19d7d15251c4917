"""Silence Pillow's warnings of odd files, which nobody can act on."""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_ONE_AT_A_TIME = threading.Lock()


@contextmanager
def ignore_warnings() -> Iterator[None]:
    """Ignore all warnings, one thread at a time: filters are shared by the whole process."""
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
