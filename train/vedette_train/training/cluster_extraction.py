"""Features of images by the workers of a Dask cluster, each with one thread.

Imports dask, which is an extra, but not TensorFlow: the scheduler loads this module, too.
"""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedette_edge.cluster.team import Team
from vedette_edge.errors import ClusterError
from vedette_edge.head.covariance import Floats
from vedette_edge.images.preprocessing import Image
from vedette_train.data.workplace import Versions, Workplace, find_differences, list_versions

PACKAGES = ("vedette-train", "tensorflow", "keras", "numpy")
SHARD_BYTES = 4 << 20  # of images, for one worker
MOST_NETWORKS = 4  # that a worker keeps ready: those that were used last

Network = Any  # a Keras model

_networks: dict[str, Network] = {}  # on a worker, by name


@dataclass(frozen=True, slots=True)
class ExtractionJob:
    """A network, as a worker gets it, and the versions that its features depend on."""

    name: str  # of its content
    layers: str  # JSON
    weights: Sequence[NDArray[np.float32]]
    versions: Versions


@dataclass(frozen=True, slots=True)
class Shard:
    """Batches of images for one worker."""

    network: str  # its name
    batches: Sequence[Image]


def open_team(place: Workplace, network: Network, name: str) -> Team:
    """Have the workers load a network. Raises ClusterError if none takes part."""
    versions = list_versions(PACKAGES)
    job = ExtractionJob(name, network.to_json(), network.get_weights(), versions)
    team = Team(place.cluster, partial(prove_extraction, job))
    team.gather()
    place.print_refusals(team.list_refusals())
    return team


def extract_on_cluster(
    team: Team, network: str, batches: Iterable[Image]
) -> Generator[Floats, None, None]:
    """Yield the features of batches of images, a row each, in their order. Raises ClusterError."""
    shards = (Shard(network, some) for some in _group_batches(batches))
    with closing(team.map_in_order(extract_shard, shards)) as results:
        for features in results:
            yield from features


def _group_batches(batches: Iterable[Image]) -> Iterator[list[Image]]:
    group = list[Image]()
    for images in batches:
        group.append(images)
        if len(group) * images.nbytes >= SHARD_BYTES:
            yield group
            group = []
    if group:
        yield group


def prove_extraction(job: ExtractionJob) -> str:
    """Load a network, on a worker; return the reason why it takes no part, or ""."""
    if differences := find_differences(job.versions):
        return differences
    _networks[job.name] = _networks.pop(job.name, None) or _load_network(job)
    for name in list(_networks)[:-MOST_NETWORKS]:
        del _networks[name]
    return ""


def extract_shard(shard: Shard) -> list[Floats]:
    """Compute the features of some batches, on a worker that has loaded the network."""
    network = _networks.pop(shard.network, None)
    if not network:
        raise ClusterError(
            "a worker has lost the network: it was restarted, or has more than "
            f"{MOST_NETWORKS} runs at once; repeat the command"
        )
    _networks[shard.network] = network  # now the last that was used
    return [network.predict_on_batch(images) for images in shard.batches]


def _load_network(job: ExtractionJob) -> Network:
    import tensorflow as tf  # takes seconds, and its threads and devices are chosen first

    tf.config.set_visible_devices([], "GPU")  # all workers compute alike
    threading = tf.config.threading
    if threading.get_intra_op_parallelism_threads() != 1:
        threading.set_intra_op_parallelism_threads(1)
        threading.set_inter_op_parallelism_threads(1)
    import keras  # the same

    network = keras.models.model_from_json(job.layers)
    network.set_weights(job.weights)
    return network
