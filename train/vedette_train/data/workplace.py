"""Where a run works: what it prints to, where it keeps what it prepares, and who helps."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from vedette_edge.console import Output, escape_unprintable

# What prepared images depend on.
PACKAGES = ("vedette-edge", "vedette-train", "numpy", "opencv-python-headless", "pillow")

Cluster = Any  # distributed.Client, of a package that is an extra
Versions = Mapping[str, str]  # by package; empty: not installed


@dataclass(frozen=True, slots=True)
class Workplace:
    """The terminal of a run, its store of prepared images, and its cluster, if there is one."""

    output: Output
    store: Path
    cluster: Cluster = None  # None: this process works alone
    _printed: set[str] = field(default_factory=set)

    def print_refusals(self, refusals: Iterable[str]) -> None:
        """Print the workers of the cluster that take no part, each reason once."""
        for refusal in refusals:
            if refusal not in self._printed:
                self._printed.add(refusal)
                message = f"left out {escape_unprintable(refusal)}"
                self.output.err.print(message, style="yellow")


def list_versions(packages: Iterable[str] = PACKAGES) -> Versions:
    """List the versions of packages here."""
    return {package: _find_version(package) for package in packages}


def find_differences(expected: Versions) -> str:
    """Describe the packages whose versions differ here; an empty string if none do."""
    here = list_versions(expected)
    differing = [
        f"{package} {here[package] or 'none'}, expected {one or 'none'}"
        for package, one in expected.items()
        if here[package] != one
    ]
    return f"{', '.join(differing)}; install the same versions" if differing else ""


def _find_version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
