"""Features of images by the workers of a Dask cluster, each with one thread.

The scheduler loads this module, too, and so it does not import TensorFlow.
"""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vedette_edge.errors import ClusterError
from vedette_edge.head.covariance import Floats
from vedette_edge.images.large_blocks import keep_large_blocks
from vedette_edge.images.preprocessing import Image
from vedette_train.data.workplace import Versions, Workplace, list_versions, require_versions

if TYPE_CHECKING:
    from vedette_edge.cluster.team import Team

PACKAGES = ("vedette-train", "tensorflow", "keras", "numpy")
SHARD_BYTES = 4 << 20  # of images, for one worker
PROBED = 16  # images

Network = Any  # a Keras model


@dataclass(frozen=True, slots=True)
class ExtractionJob:
    """A network, as a worker gets it, and all that its features depend on."""

    layers: str  # JSON
    weights: Sequence[NDArray[np.float32]]
    versions: Versions
    probe: Image  # a batch of images
    features: Floats | None  # of the probe; None: of a GPU, which rounds otherwise


def open_team(place: Workplace, network: Network) -> "Team[Network]":
    """Have the workers load a network. Raises ClusterError if none takes part."""
    return place.gather_team(partial(prove_extraction, create_job(network)))


def create_job(network: Network) -> ExtractionJob:
    """Describe a network, and what it makes of a probe here."""
    import tensorflow as tf  # which the scheduler has not

    shape = (PROBED, *network.input_shape[1:])
    probe = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    on_gpu = tf.config.list_logical_devices("GPU")
    return ExtractionJob(
        layers=network.to_json(),
        weights=network.get_weights(),
        versions=list_versions(PACKAGES),
        probe=probe,
        features=None if on_gpu else network.predict_on_batch(probe),
    )


def extract_on_cluster(
    team: "Team[Network]", batches: Iterable[Image]
) -> Generator[Floats, None, None]:
    """Yield the features of batches of images, a row each, in their order. Raises ClusterError."""
    with closing(team.map_in_order(extract_shard, _group_batches(batches))) as results:
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


def prove_extraction(job: ExtractionJob) -> Network:
    """Load a network, on a worker. Raises ClusterError if it gives other features there."""
    require_versions(job.versions)
    keep_large_blocks()
    network = _load_network(job)
    features = network.predict_on_batch(job.probe)
    if job.features is not None and not np.array_equal(features, job.features):
        raise ClusterError(
            "it computes other features than the machine of the command; is its processor of "
            "another kind? Use machines of one kind"
        )
    return network


def extract_shard(network: Network, batches: Sequence[Image]) -> list[Floats]:
    """Compute the features of some batches."""
    return [network.predict_on_batch(images) for images in batches]


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
