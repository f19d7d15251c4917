"""Forged graphs with fitting checksums: an error or a label, never the end of the process.

`make fuzz` forges 2,000.
"""

import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from tests.edge.model.forged_graphs import find_places, forge_graph
from tests.edge.model.packing import unpack

MODEL = Path(__file__).parents[1] / "colours.tflite"
ROOT = Path(__file__).parents[3]
MOST_MIB = 500  # of the process that uses them
COUNT = settings().max_examples // 10  # 10 in `make test`


def test_forged_graphs_end_no_process_and_fill_no_memory() -> None:
    first = random.SystemRandom().getrandbits(31) if COUNT > 10 else 0
    assert list(find_failures(range(first, first + COUNT))) == []


def find_failures(seeds: range) -> Iterator[str]:
    """Forge and use models; go on after those that end the process."""
    while seeds:
        module = [sys.executable, "-m", "tests.edge.model.forged_graphs"]
        command = [*module, str(MODEL), str(seeds.start), str(len(seeds))]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        *used, last = (line.split(" ", 2) for line in done.stdout.splitlines())
        yield from (f"seed {seed}: {mib} MiB" for seed, mib, _ in used if int(mib) > MOST_MIB)
        if done.returncode == 0:
            return
        yield f"seed {last[0]}: code {done.returncode}, {done.stderr[-300:]}"
        seeds = range(int(last[0]) + 1, seeds.stop)


def test_a_seed_always_forges_the_same_readable_graph() -> None:
    graph, _ = unpack(MODEL)
    forged = [forge_graph(graph, seed) for seed in (7, 7, 8)]
    assert forged[0] == forged[1]
    assert len({graph, *forged}) == 3


@pytest.mark.parametrize("role", ["Tensor 0", "Tensor 1", "Operator 1", "Options 0", "Buffer 0"])
def test_every_kind_of_number_is_found(role: str) -> None:
    """Shapes, types, inputs of operators, their options, constants."""
    assert role in {place.role for place in find_places(unpack(MODEL)[0])}
