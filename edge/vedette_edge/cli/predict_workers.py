"""Workers of `vedette predict`: threads of this machine, or a cluster."""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click

from vedette_edge.cli import options
from vedette_edge.cluster import LOCAL
from vedette_edge.console import Output
from vedette_edge.errors import SettingError
from vedette_edge.images.decoding import list_optional_formats
from vedette_edge.images.sources import is_url, read_source
from vedette_edge.model.classifier import Classifier
from vedette_edge.model.overrides import ModelOverrides
from vedette_edge.prediction.prediction import File, Prediction
from vedette_edge.prediction.workers import classify_files, find_workers

Classify = Callable[[Iterable[File], int], Generator[Prediction, None, None]]  # their number


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """Workers that classify, and their threads."""

    workers: int | None
    threads: int
    cluster: str | None
    no_self_test: bool  # skip the golden samples

    def __post_init__(self) -> None:
        if self.workers and self.cluster not in (None, LOCAL):
            raise SettingError(f"--workers: the cluster at {self.cluster} has its own; omit it")


worker_options = options.collect_options(
    "workers",
    WorkerOptions,
    click.option(
        "--workers",
        type=click.IntRange(1, 256),
        show_default="one per core, if there is memory",
        help="Pictures that are classified at once.",
    ),
    click.option(
        "--threads",
        type=click.IntRange(1, 64),
        default=1,
        show_default=True,
        help="Threads of the interpreter, for each picture.",
    ),
    click.option(
        "--cluster",
        metavar="ADDRESS",
        help="Dask scheduler, such as tcp://desk:8786, or local: a cluster on this machine.",
    ),
    options.no_self_test_option,
)


@dataclass(frozen=True, slots=True)
class Task:
    """A model, as `overrides` describe it, and the form of its answers: `top_k` labels."""

    classifier: Classifier
    overrides: ModelOverrides
    top_k: int
    first: str  # of the pictures; "" if there is none


@contextmanager
def open_workers(task: Task, workers: WorkerOptions, terminal: Output) -> Iterator[Classify]:
    """Have workers ready. Yields the function that classifies files, `total` of them."""
    count = workers.workers or find_workers()
    if workers.cluster is None:
        yield lambda files, _: classify_files(task.classifier, files, task.top_k, count)
        return
    from vedette_edge.cluster.session import find_version, open_cluster  # dask is an extra
    from vedette_edge.cluster.team import Team  # the same
    from vedette_edge.prediction import cluster  # the same

    job = cluster.Job(
        model=task.classifier.model.data,
        overrides=task.overrides,
        threads=workers.threads,
        no_self_test=workers.no_self_test,
        top_k=task.top_k,
        folder=str(Path.cwd()),
        picture=find_readable(task.first),
        version=find_version(),
        formats=list_optional_formats(),
    )
    with open_cluster(workers.cluster, count) as client:
        team = Team(client, partial(cluster.prove_job, job), terminal.print_left_out)
        with terminal.show_progress("waiting for the workers", 1):
            team.gather()
        yield partial(cluster.classify_on_cluster, team)


def find_readable(picture: str) -> str:
    """Find the absolute name of a picture that can be read; "" if it cannot."""
    name = picture if is_url(picture) or not picture else str(Path(picture).absolute())
    try:
        return name if name and read_source(name) else ""
    except OSError:
        return ""
