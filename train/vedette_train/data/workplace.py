"""The terminal, the store and the cluster of a run."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from vedette_edge.console import Output
from vedette_edge.errors import ClusterError

if TYPE_CHECKING:
    from vedette_edge.cluster.team import Team

# What prepared images depend on.
PACKAGES = ("vedette-edge", "vedette-train", "numpy", "opencv-python-headless", "pillow")

Cluster = Any  # distributed.Client, of a package that is an extra
State = TypeVar("State")
Versions = Mapping[str, str]  # by package; empty: not installed


@dataclass(frozen=True, slots=True)
class Workplace:
    """The terminal of a run, its store of prepared images, and its cluster, if there is one."""

    output: Output
    store: Path
    cluster: Cluster = None  # None: this process works alone
    _printed: set[str] = field(default_factory=set)

    def gather_team(self, get_ready: Callable[[], State]) -> "Team[State]":
        """Have the workers of the cluster get ready; print each that takes no part, once.

        Raises ClusterError if none takes part.
        """
        from vedette_edge.cluster.team import Team  # dask is an extra

        team = Team(self.cluster, get_ready, self._print_refusal)
        team.gather()
        return team

    def _print_refusal(self, refusal: str) -> None:
        if refusal not in self._printed:
            self._printed.add(refusal)
            self.output.print_left_out(refusal)


def list_versions(packages: Iterable[str] = PACKAGES) -> Versions:
    """List the versions of packages here."""
    return {package: _find_version(package) for package in packages}


def require_versions(expected: Versions) -> None:
    """Raise ClusterError if the versions of some packages differ here."""
    here = list_versions(expected)
    differing = [
        f"{package} {here[package] or 'none'}, expected {one or 'none'}"
        for package, one in expected.items()
        if here[package] != one
    ]
    if differing:
        raise ClusterError(f"{', '.join(differing)}; install the same versions")


def _find_version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
