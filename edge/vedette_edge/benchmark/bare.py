"""What resize and invoke cost alone: in one process, one after the other, with nothing around."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
from numpy.typing import NDArray

from vedette_edge.cameras.rate_limiter import RateLimiter
from vedette_edge.images.preprocessing import Image, preprocess
from vedette_edge.model.classifier import Classifier

TURN = 20  # of each kind before the other's: what slows the machine for a while slows both


@dataclass(frozen=True, slots=True)
class Spread:
    """Percentiles, by numpy's linear interpolation."""

    p50: float
    p95: float
    p99: float

    @classmethod
    def of(cls, values: Sequence[float] | NDArray[np.float64]) -> "Spread":
        p50, p95, p99 = np.percentile(values, (50, 95, 99))
        return cls(float(p50), float(p95), float(p99))


@dataclass(frozen=True, slots=True)
class Bare:
    """As fast as it goes."""

    invoke_ms: Spread  # input in, invoke, output out
    both_ms: Spread  # resize, then the same
    invokes_per_s: float
    both_per_s: float


def measure_bare(classifier: Classifier, frames_rgb: Sequence[Image], seconds: float) -> Bare:
    """Invoke alone, and resize and invoke, by turns for so long. Frames are uint8 R G B."""
    invoke, both = _kinds(classifier, frames_rgb)
    invoke_ms: list[float] = []
    both_ms: list[float] = []
    until_s = time.monotonic() + seconds
    while not both_ms or time.monotonic() < until_s:
        invoke_ms += _timed(invoke)
        both_ms += _timed(both)
    rates = (1000 / float(np.mean(values)) for values in (invoke_ms, both_ms))
    return Bare(Spread.of(invoke_ms), Spread.of(both_ms), *rates)


def cpu_alone_ms(
    classifier: Classifier, frames_rgb: Sequence[Image], rate: float, seconds: float
) -> float:
    """CPU time a frame, in ms, of resize and invoke alone at `rate` frames/s."""
    _, both = _kinds(classifier, frames_rgb)
    frames = max(TURN, round(rate * seconds))
    pace = RateLimiter(rate)
    begin_s = time.process_time()
    for _ in range(frames):
        pace.wait()
        both()
    return 1000 * (time.process_time() - begin_s) / frames


Run = Callable[[], object]


def _kinds(classifier: Classifier, frames_rgb: Sequence[Image]) -> tuple[Run, Run]:
    numbers = count()
    prepared = preprocess(frames_rgb[0], classifier.contract)

    def both() -> object:
        frame_rgb = frames_rgb[next(numbers) % len(frames_rgb)]
        return classifier.invoke(preprocess(frame_rgb, classifier.contract))

    return lambda: classifier.invoke(prepared), both


def _timed(run: Run) -> list[float]:
    """How long each of a turn took, ms."""
    moments_s = [time.perf_counter()]
    for _ in range(TURN):
        run()
        moments_s.append(time.perf_counter())
    return [1000 * float(each) for each in np.diff(moments_s)]
