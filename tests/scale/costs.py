"""The cost of a stage, measured in a process of its own and printed for a thousand pictures."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypeVar

from tests.scale.watches import say

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of a stage for some pictures."""

    stage: str
    pictures: int
    wall_s: float
    cpu_s: float  # of all threads of the process
    disk: int = 0  # bytes that stay there
    sent: int = 0  # bytes to the workers of a cluster
    received: int = 0  # bytes from them
    memory: float = 0  # bytes that the process took for it at most, without its modules


def measure(
    stage: str, pictures: int, work: Callable[[], Result], before: int = 0
) -> tuple[Cost, Result]:
    """Measure a stage. Its memory is the most above `before`, if that is known."""
    Path("/proc/self/clear_refs").write_text("5", "ascii")  # forgets the most so far
    start_s, start_cpu_s = time.monotonic(), time.process_time()
    result = work()
    wall_s, cpu_s = time.monotonic() - start_s, time.process_time() - start_cpu_s
    memory = max(0, read_memory("VmHWM") - before) if before else 0
    return Cost(stage, pictures, wall_s, cpu_s, memory=memory), result


def read_memory(name: str = "VmRSS") -> int:
    """Read the bytes that this process takes, or, with VmHWM, has taken at most."""
    status = Path("/proc/self/status").read_text("ascii")
    (line,) = (line for line in status.splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024


def report(costs: Iterable[Cost]) -> None:
    """Print costs for the process that started this one."""
    for cost in costs:
        say(json.dumps(asdict(cost)))


def run(module: str, *arguments: str) -> list[Cost]:
    """Have a process on one core measure, and read the costs that it reports."""
    command = [sys.executable, "-m", module, *arguments]
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, check=True)
    return [Cost(**json.loads(line)) for line in done.stdout.splitlines() if line[:1] == "{"]


def use_one_core() -> None:
    """Run on one core, with all processes that this one starts: so do their libraries."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def keep_lowest(turns: Sequence[Sequence[Cost]]) -> list[Cost]:
    """The lowest times of several turns: others may have slowed the rest."""
    return [
        replace(
            costs[0],
            wall_s=min(cost.wall_s for cost in costs),
            cpu_s=min(cost.cpu_s for cost in costs),
        )
        for costs in zip(*turns, strict=True)
    ]


def separate(some: Cost, more: Cost) -> tuple[Cost, Cost]:
    """Split the cost of a stage into that of each further picture and a fixed one."""
    names = ("wall_s", "cpu_s", "memory")
    added = {name: getattr(more, name) - getattr(some, name) for name in names}
    further = Cost(some.stage, more.pictures - some.pictures, **added)
    share = some.pictures / further.pictures
    rest = {name: max(0, getattr(some, name) - share * added[name]) for name in names}
    return further, Cost(f"{some.stage}, once", 0, **rest)


def format_bytes(count: float) -> str:
    """Format bytes with three digits."""
    for unit in ("", "k", "M", "G", "T"):
        if abs(count) < 1000:
            return f"{count:.3g} {unit}B"
        count /= 1000
    return f"{count:.3g} PB"
