"""The cost of resize and invoke alone: one process, one after the other, nothing else."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Self

import numpy as np
from numpy.typing import NDArray

from vedette_edge.cameras.rate_limiter import RateLimiter
from vedette_edge.images.preprocessing import Image, preprocess
from vedette_edge.model.classifier import Classifier

TURN = 20  # runs of one kind before the other: what slows the machine for a while slows both

Run = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Spread:
    """Percentiles, interpolated as numpy does by default."""

    p50: float
    p95: float
    p99: float

    @classmethod
    def of(cls, values: Sequence[float] | NDArray[np.float64]) -> Self:
        """Compute the percentiles of values."""
        p50, p95, p99 = np.percentile(values, (50, 95, 99))
        return cls(float(p50), float(p95), float(p99))


@dataclass(frozen=True, slots=True)
class Baseline:
    """Times and rates without pauses."""

    invoke_ms: Spread  # input in, invoke, output out
    both_ms: Spread  # resize, then the same
    invokes_per_s: float
    both_per_s: float


def measure_baseline(
    classifier: Classifier, frames_rgb: Sequence[Image], seconds: float
) -> Baseline:
    """Measure by turns invoke alone, and resize and invoke. Frames are uint8, R G B."""
    invoke, both = _create_runs(classifier, frames_rgb)
    invoke_ms: list[float] = []
    both_ms: list[float] = []
    until_s = time.monotonic() + seconds
    while not both_ms or time.monotonic() < until_s:
        invoke_ms += _time_turn(invoke)
        both_ms += _time_turn(both)
    rates = (1000 / float(np.mean(values)) for values in (invoke_ms, both_ms))
    return Baseline(Spread.of(invoke_ms), Spread.of(both_ms), *rates)


def measure_cpu_ms(
    classifier: Classifier, frames_rgb: Sequence[Image], rate: float, seconds: float
) -> float:
    """Measure the CPU time of resize and invoke at `rate` frames/s, in ms per frame."""
    _, both = _create_runs(classifier, frames_rgb)
    frames = max(TURN, round(rate * seconds))
    limiter = RateLimiter(rate)
    start_s = time.process_time()
    for _ in range(frames):
        limiter.wait()
        both()
    return 1000 * (time.process_time() - start_s) / frames


def _create_runs(classifier: Classifier, frames_rgb: Sequence[Image]) -> tuple[Run, Run]:
    """Create the two kinds of run: invoke alone, and resize and invoke."""
    numbers = count()
    prepared = preprocess(frames_rgb[0], classifier.contract)

    def run_both() -> object:
        frame_rgb = frames_rgb[next(numbers) % len(frames_rgb)]
        return classifier.invoke(preprocess(frame_rgb, classifier.contract))

    return lambda: classifier.invoke(prepared), run_both


def _time_turn(run: Run) -> list[float]:
    """Time each run of a turn, in ms."""
    moments_s = [time.perf_counter()]
    for _ in range(TURN):
        run()
        moments_s.append(time.perf_counter())
    return [1000 * float(each) for each in np.diff(moments_s)]
