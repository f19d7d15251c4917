"""Features of images by the workers of a Dask cluster, each with one thread.

Imports dask, which is an extra.
"""

from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from itertools import islice
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from vedette_edge.cluster.team import Team
from vedette_edge.errors import ClusterError
from vedette_edge.head.covariance import Floats
from vedette_edge.images.preprocessing import Image
from vedette_train.data.workplace import Cluster
from vedette_train.models.architectures import Model

BATCHES = 4  # of a shard, for one worker
MOST_NETWORKS = 4  # that a worker keeps ready: of the latest runs
PACKAGES = ("vedette-train", "tensorflow", "keras", "numpy")

_networks: dict[str, Model] = {}  # on a worker


@dataclass(frozen=True, slots=True)
class ExtractionJob:
    """A network, as a worker gets it, and the versions that its features depend on."""

    name: str
    layers: str  # JSON
    weights: Sequence[NDArray[np.float32]]
    versions: dict[str, str]


@dataclass(frozen=True, slots=True)
class Shard:
    """Batches of images for one worker."""

    network: str  # its name
    batches: Sequence[Image]


def open_team(client: Cluster, network: Model) -> tuple[Team, str]:
    """Have the workers load a network. Returns them, and its name.

    Raises ClusterError if none takes part.
    """
    job = ExtractionJob(uuid4().hex, network.to_json(), network.get_weights(), _list_versions())
    team = Team(client, partial(prove_extraction, job))
    team.gather()
    return team, job.name


def extract_on_cluster(
    team: Team, network: str, batches: Iterable[Image]
) -> Generator[Floats, None, None]:
    """Yield the features of batches of images, a row each, in their order. Raises ClusterError."""
    images = iter(batches)
    parts = iter(lambda: list(islice(images, BATCHES)), [])
    shards = (Shard(network, part) for part in parts)
    with closing(team.map_in_order(extract_shard, shards)) as results:
        for features in results:
            yield from features


def prove_extraction(job: ExtractionJob) -> str:
    """Load a network, on a worker; return the reason why it takes no part, or ""."""
    if (here := _list_versions()) != job.versions:
        return f"{_join_versions(here)} are installed, expected {_join_versions(job.versions)}"
    _networks[job.name] = _load_network(job)
    for name in list(_networks)[:-MOST_NETWORKS]:
        del _networks[name]
    return ""


def extract_shard(shard: Shard) -> list[Floats]:
    """Compute the features of some batches, on a worker that has loaded the network."""
    network = _networks.get(shard.network)
    if not network:
        raise ClusterError(f"more than {MOST_NETWORKS} runs at once on this cluster; wait for one")
    return [network.predict_on_batch(images) for images in shard.batches]


def _load_network(job: ExtractionJob) -> Model:
    import keras  # takes seconds, and threads are set first
    import tensorflow as tf  # the same

    threading: Any = tf.config.threading
    if threading.get_intra_op_parallelism_threads() != 1:
        threading.set_intra_op_parallelism_threads(1)
        threading.set_inter_op_parallelism_threads(1)
        tf.config.set_visible_devices([], "GPU")  # so that all workers compute alike
    network = keras.models.model_from_json(job.layers)
    network.set_weights(job.weights)
    return network


def _list_versions() -> dict[str, str]:
    return {package: version(package) for package in PACKAGES}


def _join_versions(versions: dict[str, str]) -> str:
    return ", ".join(f"{package} {one}" for package, one in versions.items())
