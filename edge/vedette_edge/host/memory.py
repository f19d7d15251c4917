"""The memory of a process: its limits, and what it returns to the system."""

import ctypes
import os
import resource
from contextlib import suppress
from pathlib import Path

OOM_SCORE = 500  # of 1000; the kernel kills such a process before the others
THREAD_STACK_BYTES = 2 << 20
STACK_BYTES = 2 * THREAD_STACK_BYTES * min(os.cpu_count() or 1, 16)  # of two threads a processor
_start_bytes = 0  # what this process had when its limits began; 0: it has none


def begin_limits() -> None:
    """Let `limit_growth` work from now on, and let the kernel kill this process first."""
    global _start_bytes
    _shrink_stacks()
    _start_bytes = _read_kilobytes("/proc/self/status", "VmData:") << 10
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE), "ascii")


def limit_growth(growth_bytes: int) -> None:
    """Limit what this process may allocate beyond its start; never to more than half the machine's.

    Beyond it, an allocation fails. Does nothing before `begin_limits`.
    """
    if _start_bytes:
        half = _read_kilobytes("/proc/meminfo", "MemTotal:") << 9
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        limit = _start_bytes + STACK_BYTES + min(growth_bytes, half)
        if hard != resource.RLIM_INFINITY:
            limit = min(limit, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def trim_heap() -> None:
    """Return free heap pages to the system (malloc_trim); without glibc, do nothing."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)


def read_available_bytes() -> int:
    """Read how much memory programs can still have, by the kernel's estimate."""
    return _read_kilobytes("/proc/meminfo", "MemAvailable:") << 10


def _shrink_stacks() -> None:
    """Let new threads reserve little for their stacks: RLIMIT_DATA counts all that is reserved."""
    libc, attributes = ctypes.CDLL(None), ctypes.create_string_buffer(128)  # pthread_attr_t: 64
    if hasattr(libc, "pthread_setattr_default_np"):  # glibc's
        libc.pthread_attr_init(attributes)
        libc.pthread_attr_setstacksize(attributes, ctypes.c_size_t(THREAD_STACK_BYTES))
        libc.pthread_setattr_default_np(attributes)


def _read_kilobytes(file: str, field: str) -> int:
    lines = Path(file).read_text("ascii", errors="replace").splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith(field)), 0)
