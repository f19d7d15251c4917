"""A recorder of the running watch, which costs it some microseconds per frame."""

import os
import time
from array import array
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from vedette_edge.host.raspberry_pi import read_health
from vedette_edge.watch.stats import FrameTimings

WARM_UP = 30  # frames before the measurement
STAGES = ("capture", "prepare", "handover", "invoke", "decide", "log")
NOTED = ("number", "taken_s", "capture", "prepare", "begun_s", "invoke", "decide", "logged_s")

Tick = Callable[[float, int], None]  # called every second with seconds and frames since warm-up


@dataclass(frozen=True, slots=True)
class ProcessUsage:
    """CPU time and memory of one process. MB are 10^6 bytes, None where the kernel has none."""

    cpu_s: float  # of all its threads, since it started
    rss_mb: float | None  # resident memory
    pss_mb: float | None  # the same, with shared pages divided among their users

    @classmethod
    def measure(cls, pid: int) -> Self:
        """Measure a process now."""
        cpu_clock = ~pid << 3 | 2  # in Linux: see clock_getcpuclockid(3)
        rss_mb, pss_mb = _read_memory_mb(pid, "Rss"), _read_memory_mb(pid, "Pss")
        return cls(time.clock_gettime(cpu_clock), rss_mb, pss_mb)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Usage of both processes and health of the machine at one moment."""

    at_s: float  # on the monotonic clock
    watch: ProcessUsage
    capture: ProcessUsage
    health: dict[str, object]

    @classmethod
    def take(cls, capture_pid: int) -> Self:
        """Measure now."""
        usages = ProcessUsage.measure(os.getpid()), ProcessUsage.measure(capture_pid)
        return cls(time.monotonic(), *usages, read_health().fields())


class FrameRecorder:
    """Records each frame's times for `seconds` after the warm-up. Called once per frame."""

    def __init__(self, seconds: float, capture_pid: Callable[[], int], tick: Tick) -> None:
        self._seconds, self._capture_pid, self._tick = seconds, capture_pid, tick
        self.done = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)  # readable at the end
        self.start: Snapshot | None = None
        self.end: Snapshot | None = None
        self._noted = array("d")  # row after row, so that memory hardly grows
        self._tick_s = 0.0
        self._frames = 0

    def __call__(self, times: FrameTimings) -> None:
        """Record a frame."""
        self._frames += 1
        if self.start and not self.end:
            info = times.info
            self._noted.extend((info.number, info.taken_s, info.capture_ms, info.prepare_ms))
            self._noted.extend((times.begun_s, times.invoke_ms, times.decide_ms, times.logged_s))
            if times.logged_s >= self._tick_s:
                self._check_time(self.start)
        elif self._frames == WARM_UP:
            self.start = Snapshot.take(self._capture_pid())
            self._tick_s = self.start.at_s + min(1.0, self._seconds)

    def finish(self) -> None:
        """End the measurement. The capture process must still run."""
        if self.start and not self.end:
            self.end = Snapshot.take(self._capture_pid())
            os.eventfd_write(self.done, 1)

    def compute_columns(self) -> dict[str, NDArray[np.float64]]:
        """Compute columns with one value per frame.

        `number`; on the monotonic clock `ready_s`, when the frame was prepared, and `logged_s`,
        when its label was logged; STAGES and `age` in ms.
        """
        column = dict(zip(NOTED, np.array(self._noted).reshape(-1, len(NOTED)).T, strict=True))
        begun_s, logged_s = column["begun_s"], column["logged_s"]
        ready_s = column["taken_s"] + column["prepare"] / 1000
        return column | {
            "ready_s": ready_s,
            "handover": 1000 * (begun_s - ready_s),
            "log": 1000 * (logged_s - begun_s) - column["invoke"] - column["decide"],
            "age": 1000 * (logged_s - column["taken_s"]),
        }

    def _check_time(self, start: Snapshot) -> None:
        passed_s = time.monotonic() - start.at_s
        if passed_s >= self._seconds:
            self.finish()
        else:
            self._tick(passed_s, len(self._noted) // len(NOTED))
            self._tick_s = start.at_s + min(passed_s + 1, self._seconds)


def _read_memory_mb(pid: int, name: str) -> float | None:
    with suppress(OSError, StopIteration):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        kib = next(line.split()[1] for line in lines if line.startswith(f"{name}:"))
        return int(kib) * 1024 / 1e6
    return None
