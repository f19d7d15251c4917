"""The record of the two best scores of each moment, for the page's thresholds."""

import mmap
import time
from collections.abc import Sequence

import numpy as np

from vedette_edge.files import create_memory_file, reopen_for_reading
from vedette_edge.live.protocol import Packet
from vedette_edge.live.score_history import (
    DAY_S,
    ENTRY,
    LARGEST_SCORE,
    create_score_history,
)
from vedette_edge.watch.smoothing import LabelSmoother
from vedette_edge.watch.stats import RegionState


class ScoreRecorder:
    """Keeps the two best smoothed scores of each step of the last 24 hours, for each region.

    A step is a second for each region, so that all take less than 0.7 MB. It is a ring: step n on
    the monotonic clock is at n modulo the number of steps.
    """

    def __init__(self, regions: Sequence[RegionState]) -> None:
        self._smoothers = [(number, one.smoother) for number, one in enumerate(regions)]
        self._names, self._step_s = [one.region for one in regions], len(regions)
        self._count, self._newest = DAY_S // self._step_s, -1
        total = len(regions) * self._count * ENTRY.itemsize
        self._file = create_memory_file("vedette-scores", total)
        self._reading = reopen_for_reading(self._file)
        self._memory = mmap.mmap(self._file, total)
        self._entries = np.frombuffer(self._memory, ENTRY).reshape(len(regions), self._count)

    def add(self, now_s: float) -> None:
        """Record the scores that count at a time, if it is the first of its step."""
        step = int(now_s / self._step_s)
        if step <= self._newest:
            return
        passed = min(step - self._newest, self._count) if self._newest >= 0 else 1
        self._entries[:, np.arange(step - passed + 1, step + 1) % self._count] = 0
        for number, smoother in self._smoothers:
            if smoother:
                self._write(number, step, smoother)
        self._newest = step

    def _write(self, region: int, step: int, smoother: LabelSmoother) -> None:
        smoothed = smoother.smoothed
        if smoothed is None:
            return
        best = np.argsort(-smoothed, kind="stable")[:2]
        entry = self._entries[region, step % self._count]
        entry["scores"][: len(best)] = np.rint(smoothed[best].clip(0, 1) * LARGEST_SCORE)
        entry["labels"][: len(best)] = best + 1  # last: without a label, a reader ignores the rest

    def create_packet(self) -> Packet:
        """Create the packet for viewers, who read the record itself. For any thread."""
        newest = self._newest
        age_s = time.monotonic() - (newest + 1) * self._step_s
        rules = next(one.rules for _, one in self._smoothers if one)
        shape = {"regions": self._names, "step_s": self._step_s, "count": self._count}
        place = {"newest": newest, "at": round(time.time() - age_s, 3)}
        return create_score_history({**rules, **shape, **place}, self._reading)
