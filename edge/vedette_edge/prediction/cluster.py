"""Classification of many files on a Dask cluster, by workers that have proved the model.

A worker needs no more than the wheel of the edge, an interpreter, and the extra `cluster`.
"""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from uuid import uuid4

from distributed import Client, Worker, WorkerPlugin, get_worker

from vedette_edge.cluster.session import count_threads, map_in_order
from vedette_edge.errors import ClusterError, VedetteError, join_names
from vedette_edge.files import atomic_write
from vedette_edge.images.large_blocks import keep_large_blocks
from vedette_edge.model.classifier import Classifier
from vedette_edge.model.overrides import ModelOverrides
from vedette_edge.model.self_test import replay_samples, require_equal
from vedette_edge.prediction.prediction import File, Prediction
from vedette_edge.prediction.workers import ClassifierPool

MOST_FILES = 1000  # of a shard, which a worker classifies and then reports
SHARDS = 4  # a thread at least, so that all end at about the same time


@dataclass(frozen=True, slots=True)
class Shard:
    """Files that one worker classifies, one after the other."""

    plugin: str
    folder: str  # that relative names are in
    files: list[File]
    top_k: int


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a worker needs besides the model."""

    paths: tuple[str, ...]  # absolute ones, that it sees as this machine does
    threads: int  # of each interpreter
    no_self_test: bool  # skip the golden samples


class ProvedModel(WorkerPlugin):
    """A model that each worker proves: also one that joins later, before its first shard.

    Shards ask for a resource of this plugin's name, which only a worker gets that has the same
    version of Vedette and sees the golden samples as at conversion.
    """

    pool: ClassifierPool  # on a worker that takes part
    refusal = ""  # on a worker that does not take part: the reason

    def __init__(self, model: bytes, overrides: ModelOverrides, conditions: Conditions) -> None:
        self.name = f"vedette-{uuid4().hex}"  # another run of this model has its own
        self._model, self._overrides, self._conditions = model, overrides, conditions
        self._version = version("vedette-edge")

    async def setup(self, worker: Worker) -> None:
        """Prove the model, on a worker, and let it take part."""
        try:
            self.pool = await asyncio.to_thread(self._prove, self._find_path(worker))
        except Exception as error:  # whatever it is, only this worker is left out
            self.refusal = str(error) if isinstance(error, VedetteError) else repr(error)
        else:
            await worker.set_resources(**{self.name: worker.state.nthreads})

    async def teardown(self, worker: Worker) -> None:
        """Take part no longer."""
        await worker.set_resources(**{self.name: 0})
        self._find_path(worker).unlink(missing_ok=True)

    def _find_path(self, worker: Worker) -> Path:
        return Path(worker.local_directory) / f"{self.name}.tflite"

    def _prove(self, path: Path) -> ClassifierPool:
        if (here := version("vedette-edge")) != self._version:
            raise ClusterError(f"vedette-edge {here} is installed, expected {self._version}")
        if missing := [path for path in self._conditions.paths if not Path(path).exists()]:
            raise ClusterError(f"{join_names(missing)}: not there; all machines need the pictures")
        keep_large_blocks()
        with atomic_write(path) as temporary:
            temporary.write_bytes(self._model)
        threads, skip = self._conditions.threads, self._conditions.no_self_test
        classifier = Classifier(path, threads=threads, overrides=self._overrides)
        if classifier.model.samples and not skip:
            require_equal(classifier, list(replay_samples(classifier)))
        return ClassifierPool(classifier)


def classify_shard(shard: Shard) -> list[Prediction]:
    """Classify the files of a shard, on a worker."""
    plugin = get_worker().plugins[shard.plugin]
    assert isinstance(plugin, ProvedModel)
    return [plugin.pool.classify(*file, shard.top_k, shard.folder) for file in shard.files]


@contextmanager
def prove_model(client: Client, model: ProvedModel) -> Iterator[list[str]]:
    """Have the workers prove a model, and keep it for the time of the `with`.

    Yields the refusals, which name the worker and the reason. Raises ClusterError if all refuse,
    or if Vedette is not installed everywhere.
    """
    _require_vedette(client)
    client.register_plugin(model, name=model.name)
    try:
        answers = client.run(_read_refusal, model.name)
        refusals = [f"{worker}: {refusal}" for worker, refusal in answers.items() if refusal]
        if len(refusals) == len(answers):
            raise ClusterError(f"no worker takes part. {join_names(refusals)}")
        yield refusals
    finally:
        with suppress(OSError):  # the scheduler may be lost
            client.unregister_worker_plugin(model.name)


def _require_vedette(client: Client) -> None:
    """Raise ClusterError unless the scheduler and all workers can load this module."""
    answers = client.run(_find_version, on_error="return")
    try:
        answers["the scheduler"] = client.run_on_scheduler(_find_version)
    except Exception as error:  # whatever it raises there
        answers["the scheduler"] = error
    if lacking := [name for name, answer in answers.items() if not isinstance(answer, str)]:
        raise ClusterError(
            f"{join_names(lacking)} cannot load Vedette ({answers[lacking[0]]}); there, too: "
            "pip install 'vedette-edge[cluster,litert]'"
        )


def _find_version() -> str:
    return version("vedette-edge")


def _read_refusal(name: str, dask_worker: Worker) -> str:
    plugin = dask_worker.plugins[name]
    assert isinstance(plugin, ProvedModel)
    return plugin.refusal


def classify_on_cluster(
    client: Client, model: ProvedModel, files: Iterable[File], total: int, top_k: int
) -> Iterator[Prediction]:
    """Classify files that all workers see, `total` of them; yield the answers in their order.

    Raises ClusterError as `map_in_order` does.
    """
    size = max(1, min(MOST_FILES, total // (SHARDS * count_threads(client))))
    names, folder = iter(files), str(Path.cwd())
    parts = iter(lambda: list(islice(names, size)), [])
    shards = (Shard(model.name, folder, part, top_k) for part in parts)
    for predictions in map_in_order(client, classify_shard, shards, {model.name: 1}):
        yield from predictions
