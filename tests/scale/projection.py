"""Costs of many pictures and workers, computed from measured ones in proportion to the pictures.

The seconds are those of one core. A phase takes as long as its workers, and no less than what the
network of the command, or the command itself, needs for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.scale.costs import Cost, format_bytes
from tests.scale.growth import CONFIG
from tests.scale.watches import say

PICTURES = (10**6, 10**8, 10**9)
WORKERS = (1, 10, 100)  # of one core
NETWORK = 125_000_000  # bytes/s in each direction: 1 Gb/s
MEMORY = 64_000_000_000  # bytes
DISK = 10**12  # bytes
LEARNED = 1 - CONFIG.test  # share that is learned, which has a mirror image

Part = tuple[str, float]  # a stage, and the share of the pictures that it is for
HEAD = ("summing up features", "cross-validation", "learning curve")
ALONE: tuple[Part, ...] = (("loading", 1), *((stage, LEARNED) for stage in HEAD))
IN_MEMORY: tuple[Part, ...] = (
    ("loading", 1),
    ("features' index read", 1 + LEARNED),
    ("cross-validation", LEARNED),
)


@dataclass(frozen=True, slots=True)
class Phase:
    """Stages that workers do, and what the command does meanwhile with a cluster."""

    title: str
    work: tuple[Part, ...]
    command: tuple[Part, ...]
    reads: bool = True  # the photographs


PHASES = (
    Phase("preparing", (("reading, hashing, preparing", 1),), (("preparing, with a cluster", 1),)),
    Phase(
        "features",
        (("extraction, plain", 1), ("extraction, mirrored", LEARNED)),
        (("extraction, with a cluster", 1 + LEARNED), ("images read", 1 + LEARNED)),
        reads=False,
    ),
    Phase("predicting", (("predicting", 1),), (("predicting, with a cluster", 1),)),
)


def print_projection(measured: Sequence[Cost]) -> None:
    """Print times, bytes, and the numbers at which something is full."""
    costs = {cost.stage: cost for cost in measured if cost.pictures}  # the largest number of each
    phases = [phase for phase in PHASES if phase.work[0][0] in costs]
    titles = " | ".join(f"{count} workers" if count > 1 else "1 worker" for count in WORKERS)
    say(f"| pictures | phase | {titles} | at least |\n|---|---|---|---|---|---|")
    for pictures in PICTURES:
        for phase in phases:
            work_s, least_s = compute_phase(costs, phase)
            times = [pictures * max(work_s / count, least_s) for count in WORKERS]
            cells = " | ".join(map(format_time, (*times, pictures * least_s)))
            say(f"| {pictures:,} | {phase.title} | {cells} |")
        alone_s = pictures * add_up(costs, ALONE, "cpu_s")
        say(f"| {pictures:,} | the command alone | {' | '.join([format_time(alone_s)] * 4)} |")
    print_sizes(costs)
    print_limits(costs, phases)


def compute_phase(costs: dict[str, Cost], phase: Phase) -> tuple[float, float]:
    """The seconds of a worker for a picture, and those that it takes with any number of them."""
    sent, received = (add_up(costs, phase.work, name) for name in ("sent", "received"))
    command_s = add_up(costs, phase.command, "cpu_s")
    return add_up(costs, phase.work, "cpu_s"), max(command_s, sent / NETWORK, received / NETWORK)


def add_up(costs: dict[str, Cost], parts: Sequence[Part], name: str) -> float:
    """The sum of a cost of some stages, for a picture."""
    return float(
        sum(share * getattr(costs[stage], name) / costs[stage].pictures for stage, share in parts)
    )


def print_sizes(costs: dict[str, Cost]) -> None:
    """Print the bytes that grow with the number of pictures."""
    prepare, extract = PHASES[0].work, PHASES[1].work
    network = add_up(costs, prepare + extract, "sent") + add_up(
        costs, prepare + extract, "received"
    )
    sizes = {
        "prepared pictures": add_up(costs, prepare, "disk"),
        "index.csv": add_up(costs, (("index written", 1),), "disk"),
        "features": add_up(costs, extract, "disk"),
        "split.csv": add_up(costs, (("split", 1),), "disk"),
        "through the command's network, training": network,
        "memory of the command, training": add_up(costs, IN_MEMORY, "memory"),
        "results.jsonl": add_up(costs, (("results written", 1),), "disk"),
        "memory of the command, going on with results": add_up(
            costs, (("results read", 1),), "memory"
        ),
    }
    say(f"| bytes | a picture | {' | '.join(f'{count:,}' for count in PICTURES)} |")
    say("|---|---|---|---|---|")
    for title, size in sizes.items():
        cells = " | ".join(format_bytes(count * size) for count in (1, *PICTURES))
        say(f"| {title} | {cells} |")


def print_limits(costs: dict[str, Cost], phases: Sequence[Phase]) -> None:
    """Print the numbers at which a machine is full."""
    most = MEMORY / add_up(costs, IN_MEMORY, "memory")
    say(f"training fills {format_bytes(MEMORY)} of memory at {most:.3g} pictures")
    for title in ("duplicates", "duplicates, all close"):
        say(f"{title}: {86_400 / add_up(costs, ((title, 1),), 'cpu_s'):.3g} pictures a day")
    stored = add_up(costs, PHASES[0].work + PHASES[1].work, "disk")
    say(f"the store takes {format_bytes(DISK)} for {DISK / stored:.3g} pictures")
    for phase in phases:
        work_s, least_s = compute_phase(costs, phase)
        say(f"{phase.title}: {work_s / least_s:.3g} workers keep the command or its network busy")
        if phase.reads:
            read_s = add_up(costs, (("photographs", 1),), "disk") / NETWORK
            say(f"{phase.title}: {work_s / read_s:.3g} workers fill the network of the photographs")


def format_time(seconds: float) -> str:
    """Format a duration with two digits."""
    for least_s, unit in ((365.25 * 86_400, "years"), (2 * 86_400, "days"), (3600, "h")):
        if seconds >= least_s:
            unit_s = least_s if unit != "days" else 86_400
            return f"{float(f'{seconds / unit_s:.2g}'):,g} {unit}"
    return f"{float(f'{seconds / 60:.2g}'):g} min" if seconds >= 60 else f"{seconds:.2g} s"
