"""Return memory that is no longer needed."""

import ctypes


def trim_heap() -> None:
    """Return free heap pages to the system (malloc_trim); without glibc, do nothing."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)
