"""What `vedette predict` classifies with: threads of this machine, or a cluster."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click

from vedette_edge.cli import options
from vedette_edge.console import Output, escape_unprintable
from vedette_edge.errors import SettingError
from vedette_edge.images.sources import is_url
from vedette_edge.model.classifier import Classifier
from vedette_edge.model.overrides import ModelOverrides
from vedette_edge.prediction.prediction import File, Prediction
from vedette_edge.prediction.workers import classify_files, find_workers

HERE = "local"  # a cluster that is started on this machine

Classify = Callable[[Iterable[File], int, int], Iterator[Prediction]]  # files, total, top_k


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """How many work, where, and whether they prove the model first."""

    workers: int | None
    threads: int
    cluster: str | None
    no_self_test: bool

    def __post_init__(self) -> None:
        if self.workers and self.cluster not in (None, HERE):
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


@contextmanager
def open_workers(
    classifier: Classifier,
    overrides: ModelOverrides,
    images: Sequence[str],
    workers: WorkerOptions,
    terminal: Output,
) -> Iterator[Classify]:
    """Have workers ready for `images`. Yields the function that classifies their files."""
    count = workers.workers or find_workers()
    if not workers.cluster:
        yield lambda files, _, top_k: classify_files(classifier, files, top_k, count)
        return
    from vedette_edge.cluster.session import open_cluster  # dask is an extra
    from vedette_edge.prediction import cluster  # imports dask, too

    conditions = cluster.Conditions(find_roots(images), workers.threads, workers.no_self_test)
    model = cluster.ProvedModel(classifier.model.data, overrides, conditions)
    with (
        open_cluster(workers.cluster, count) as client,
        cluster.prove_model(client, model) as refusals,
    ):
        for refusal in refusals:
            terminal.err.print(f"left out {escape_unprintable(refusal)}", style="yellow")
        yield partial(cluster.classify_on_cluster, client, model)


def find_roots(images: Sequence[str]) -> tuple[str, ...]:
    """Find the absolute paths of arguments that are no URL; of a pattern, a folder around it."""
    paths = [Path(image).absolute() for image in images if not is_url(image)]
    return tuple(str(next(one for one in (path, *path.parents) if one.exists())) for path in paths)
