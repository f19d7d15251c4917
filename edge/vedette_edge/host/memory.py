"""Limit the memory of a process, and return what it no longer needs."""

import ctypes
import os
import resource
from contextlib import suppress
from pathlib import Path

OOM_SCORE = 500  # of 1000; the kernel kills such a process before the others
# Reserved for the stacks of threads, two per processor, and hardly used.
STACK_BYTES = (2 * 8 << 20) * min(os.cpu_count() or 1, 16)
_start_bytes = 0  # what this process had when its limits began; 0: it has none


def begin_limits() -> None:
    """Let `limit_growth` work from now on, and let the kernel kill this process first."""
    global _start_bytes
    _start_bytes = _read_kilobytes("/proc/self/status", "VmData:") << 10
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE), "ascii")


def limit_growth(growth_bytes: int) -> None:
    """Limit what this process may allocate beyond its start; never to more than half the machine's.

    Beyond it, an allocation fails. Does nothing in a process that called no `begin_limits`.
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


def _read_kilobytes(file: str, field: str) -> int:
    lines = Path(file).read_text("ascii", errors="replace").splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith(field)), 0)
