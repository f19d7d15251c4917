"""Where a run works: what it prints to, where it keeps what it prepares, and who helps."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vedette_edge.console import Output, escape_unprintable

Cluster = Any  # distributed.Client, of a package that is an extra


@dataclass(frozen=True, slots=True)
class Workplace:
    """The terminal of a run, its store of prepared images, and its cluster, if there is one."""

    output: Output
    store: Path
    cluster: Cluster = None  # None: this process works alone

    def print_refusals(self, refusals: Iterable[str]) -> None:
        """Print the workers of the cluster that take no part."""
        for refusal in refusals:
            self.output.err.print(f"left out {escape_unprintable(refusal)}", style="yellow")
