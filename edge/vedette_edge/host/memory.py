"""Memory that was needed once."""

import ctypes


def trim_heap() -> None:
    """Hand what is free to the system; the C library would keep it. Others than glibc cannot."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)
