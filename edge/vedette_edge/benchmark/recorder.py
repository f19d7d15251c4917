"""Measures a watch while it runs, and disturbs it by some microseconds a frame."""

import os
import time
from array import array
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vedette_edge.host.raspberry_pi import read_health
from vedette_edge.watch.stats import FrameTimings

WARM_UP = 30  # frames that are not measured
STAGES = ("capture", "prepare", "handover", "invoke", "decide", "log")
NOTED = ("number", "taken_s", "capture", "prepare", "begun_s", "invoke", "decide", "logged_s")

Tick = Callable[[float, int], None]  # told every second: seconds and frames since the warm-up


@dataclass(frozen=True, slots=True)
class ProcessUsage:
    """Of one process at one moment. MB are 10^6 bytes, None where the kernel does not tell."""

    cpu_s: float  # of all its threads, since it started
    rss_mb: float | None  # memory that is resident
    pss_mb: float | None  # the same, but of shared pages its share alone

    @classmethod
    def of(cls, pid: int) -> "ProcessUsage":
        rss_mb, pss_mb = _memory_mb(pid, "Rss"), _memory_mb(pid, "Pss")
        return cls(time.clock_gettime(_cpu_clock(pid)), rss_mb, pss_mb)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Both processes at one moment, and what the machine says of its health."""

    at_s: float  # on the monotonic clock
    watch: ProcessUsage
    capture: ProcessUsage
    health: dict[str, object]

    @classmethod
    def now(cls, capture_pid: int) -> "Snapshot":
        found = read_health().fields()
        loads = ProcessUsage.of(os.getpid()), ProcessUsage.of(capture_pid)
        return cls(time.monotonic(), *loads, found)


class FrameRecorder:
    """Called with each frame's times; after the warm-up it notes them for so many seconds."""

    def __init__(self, seconds: float, capture_pid: Callable[[], int], tick: Tick) -> None:
        self._seconds, self._capture_pid, self._tick = seconds, capture_pid, tick
        self.done = os.eventfd(0, os.EFD_NONBLOCK)  # readable once all is measured
        self.start: Snapshot | None = None
        self.end: Snapshot | None = None
        self._noted = array("d")  # one after the other, so that memory hardly grows
        self._tick_s = 0.0
        self._frames = 0

    def __call__(self, times: FrameTimings) -> None:
        """Note a frame."""
        self._frames += 1
        if self.start and not self.end:
            about = times.info
            self._noted.extend(
                (
                    about.number,
                    about.taken_s,
                    about.capture_ms,
                    about.prepare_ms,
                    times.begun_s,
                    times.invoke_ms,
                    times.decide_ms,
                    times.logged_s,
                )
            )
            if times.logged_s >= self._tick_s:
                self._look(self.start)
        elif self._frames == WARM_UP:
            self._begin()

    def finish(self) -> None:
        """Nothing more is to be measured; the capture process must still be there."""
        if self.start and not self.end:
            self.end = Snapshot.now(self._capture_pid())
            os.eventfd_write(self.done, 1)

    def columns(self) -> dict[str, NDArray[np.float64]]:
        """A number a frame each: its `number`; on the monotonic clock `given_s`, when it was there
        to be looked at, and `logged_s`, when its label was told; STAGES and `age`, in ms.
        """
        column = dict(zip(NOTED, np.array(self._noted).reshape(-1, len(NOTED)).T, strict=True))
        begun_s, logged_s = column["begun_s"], column["logged_s"]
        given_s = column["taken_s"] + column["prepare"] / 1000
        return column | {
            "given_s": given_s,
            "handover": 1000 * (begun_s - given_s),
            "log": 1000 * (logged_s - begun_s) - column["invoke"] - column["decide"],
            "age": 1000 * (logged_s - column["taken_s"]),
        }

    def _begin(self) -> None:
        self.start = Snapshot.now(self._capture_pid())
        self._tick_s = self.start.at_s + min(1.0, self._seconds)

    def _look(self, start: Snapshot) -> None:
        passed_s = time.monotonic() - start.at_s
        if passed_s >= self._seconds:
            self.finish()
        else:
            self._tick(passed_s, len(self._noted) // len(NOTED))
            self._tick_s = start.at_s + min(passed_s + 1, self._seconds)


def _cpu_clock(pid: int) -> int:
    """The clock of a process' CPU time, as Linux numbers it: see clock_getcpuclockid(3)."""
    return ~pid << 3 | 2


def _memory_mb(pid: int, name: str) -> float | None:
    with suppress(OSError, StopIteration):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        kib = next(line.split()[1] for line in lines if line.startswith(f"{name}:"))
        return int(kib) * 1024 / 1e6
    return None
