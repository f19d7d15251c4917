"""Classification of many files on a Dask cluster, by workers that have proved the model.

A worker needs no more than the wheel of the edge, an interpreter, and the extra `cluster`.
"""

import tempfile
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from vedette_edge.cluster import CHECK_WORKER
from vedette_edge.cluster.session import find_version
from vedette_edge.cluster.team import Team
from vedette_edge.errors import ClusterError, RemoteError
from vedette_edge.images.decoding import list_optional_formats
from vedette_edge.images.large_blocks import keep_large_blocks
from vedette_edge.images.sources import is_url, read_source
from vedette_edge.model.classifier import Classifier
from vedette_edge.model.overrides import ModelOverrides
from vedette_edge.model.self_test import replay_samples, require_equal
from vedette_edge.prediction.prediction import File, Prediction
from vedette_edge.prediction.workers import ClassifierPool

MOST_FILES = 1000  # of a shard, which a worker classifies and then reports
SHARDS = 4  # a thread at least, so that all end at about the same time


@dataclass(frozen=True, slots=True)
class Job:
    """A model, and all that its answers depend on, as a worker gets it."""

    model: bytes
    overrides: ModelOverrides
    threads: int  # of each interpreter
    no_self_test: bool  # skip the golden samples
    top_k: int
    folder: str  # that relative names are in
    picture: str  # one that this machine can read, or ""
    version: str
    formats: tuple[str, ...]  # that not every installation decodes


@dataclass(frozen=True, slots=True)
class ShardResult:
    """The answers for the first files of a shard, and the error that prevented further ones."""

    predictions: list[Prediction]
    error: RemoteError | None = None


@dataclass(frozen=True, slots=True)
class ReadyWorker:
    """A worker that has proved the model."""

    job: Job
    pool: ClassifierPool


def prove_job(job: Job) -> ReadyWorker:
    """Get ready for a job, on a worker. Raises VedetteError if it sees otherwise."""
    _check_installation(job)
    try:
        if job.picture:
            read_source(job.picture)
    except OSError as error:
        raise ClusterError(
            f"{error.filename}: {error.strerror or error}; all machines need the pictures"
        ) from error
    except RemoteError as error:
        raise ClusterError(f"{error}; {CHECK_WORKER}") from error
    keep_large_blocks()
    return ReadyWorker(job, ClassifierPool(_load_classifier(job)))


def _check_installation(job: Job) -> None:
    if (here := find_version()) != job.version:
        raise ClusterError(
            f"vedette-edge {here} is installed, expected {job.version}; install the same version "
            "on all machines"
        )
    if (formats := list_optional_formats()) != job.formats:
        raise ClusterError(
            f"it decodes {', '.join(formats) or 'no optional format'}, expected "
            f"{', '.join(job.formats) or 'none'}; install the same packages on all machines"
        )


def _load_classifier(job: Job) -> Classifier:
    """Load the model and replay its golden samples."""
    with tempfile.TemporaryDirectory(prefix="vedette-") as folder:
        path = Path(folder, "model.tflite")
        path.write_bytes(job.model)
        classifier = Classifier(path, threads=job.threads, overrides=job.overrides)
    if classifier.model.samples and not job.no_self_test:
        require_equal(classifier, list(replay_samples(classifier)))
    return classifier


def classify_shard(worker: ReadyWorker, files: Sequence[File]) -> ShardResult:
    """Classify some files, one after the other."""
    job, predictions = worker.job, list[Prediction]()
    for file in files:
        try:
            prediction = worker.pool.classify(*file, job.top_k, job.folder)
            if prediction.error:
                _require_picture(job.picture)
            predictions.append(prediction)
        except RemoteError as error:
            return ShardResult(predictions, error)
    return ShardResult(predictions)


def _require_picture(picture: str) -> None:
    """Raise RemoteError if a picture that could be read is gone: a folder is no longer mounted."""
    if picture and not is_url(picture) and not Path(picture).exists():
        raise RemoteError(f"{picture}: not there any more; is its folder still mounted?")


def classify_on_cluster(
    team: Team[ReadyWorker], files: Iterable[File], total: int
) -> Generator[Prediction, None, None]:
    """Classify files, `total` of them; yield the answers in their order.

    Raises RemoteError if a server fails, and ClusterError as `Team.map_in_order` does.
    """
    size = max(1, min(MOST_FILES, total // (SHARDS * team.threads)))
    names = iter(files)
    shards = iter(lambda: list(islice(names, size)), [])
    with closing(team.map_in_order(classify_shard, shards)) as results:
        for result in results:
            yield from result.predictions
            if result.error:
                raise result.error
