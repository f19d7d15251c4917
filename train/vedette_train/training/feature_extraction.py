"""Features of images from a backbone, in several views; those of earlier runs are reused."""

import functools
import hashlib
import itertools
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vedette_edge.head.covariance import Floats
from vedette_edge.images.preprocessing import Image
from vedette_train.config import TrainConfig
from vedette_train.data import augmentation
from vedette_train.data.image_cache import ImageCache
from vedette_train.data.layout import PARTS, TRAIN, VALIDATION
from vedette_train.data.training_data import TrainingData
from vedette_train.data.workplace import Workplace
from vedette_train.models.architectures import Model
from vedette_train.models.block_features import BlockFeatures
from vedette_train.models.fold_batchnorm import fold_batchnorm
from vedette_train.training.devices import convert_to_float32
from vedette_train.training.feature_cache import (
    Extractor,
    FeatureCache,
    compute_features,
    extract_batches,
)
from vedette_train.training.run_inputs import RunInputs

AUGMENTED_PASSES = 4  # over the training part

Transform = Callable[[Image, Sequence[str]], Image]  # images and their hashes -> another view


@dataclass(frozen=True, slots=True)
class View:
    """A way to see some images, and the file of its features."""

    file: str  # in the folder of features
    hashes: Sequence[str]  # SHA-256 of the images
    transform: Transform | None = None  # None: images as they are


def extract_augmented(backbone: Model, run: RunInputs) -> list[FeatureCache]:
    """Features of every image, then, with augmentation, passes over the training part."""
    config, data = run.config, run.data
    name = f"{config.architecture}-{_hash_network(backbone)}"
    frozen = fold_batchnorm(convert_to_float32(backbone))
    source = hashlib.sha256(Path(augmentation.__file__).read_bytes()).hexdigest()[:8]
    flip = "" if config.flip else "-unmirrored"
    learned = _list_hashes(data, TRAIN)
    views = [View(f"{name}.f32", _list_hashes(data))]
    for number in range(1, AUGMENTED_PASSES + 1) if config.augment else ():
        transform = functools.partial(_augment, number=number, flip=config.flip)
        views.append(View(f"{name}-{source}-{number}{flip}.f32", learned, transform))
    return _extract_views(frozen, views, data, run.place)


def extract_block_features(
    features: BlockFeatures, data: TrainingData, config: TrainConfig, place: Workplace
) -> list[FeatureCache]:
    """Features of every image and, with flip, of the mirrored images to train on."""
    identity = _hash_network(features.network, repr(features.blocks))
    name = f"{config.architecture}-blocks-{identity}"
    views = [View(f"{name}.f32", _list_hashes(data))]
    if config.flip:
        learned = _list_hashes(data, TRAIN, VALIDATION)
        views.append(View(f"{name}-mirrored.f32", learned, mirror))
    return _extract_views(features.network, views, data, place)


def _extract_views(
    network: Model, views: Sequence[View], data: TrainingData, place: Workplace
) -> list[FeatureCache]:
    """The features of each view; computes those that the cache lacks."""
    rows = {sha256: row for row, sha256 in enumerate(data.hashes)}
    folder = data.cache.folder / "features"
    total = sum(len(view.hashes) for view in views)
    extractor = _create_extractor(network, place)
    with place.output.show_progress("computing features", total) as advance:
        return [
            compute_features(
                folder / view.file,
                view.hashes,
                functools.partial(_read_images, view, rows, data.cache),
                extractor,
                advance,
            )
            for view in views
        ]


def _create_extractor(network: Model, place: Workplace) -> Extractor:
    width = network.output_shape[-1]
    if not place.cluster:
        return Extractor(width, functools.partial(extract_batches, network))
    from vedette_train.training import cluster_extraction  # dask is an extra

    open_team = functools.cache(functools.partial(cluster_extraction.open_team, place, network))

    def extract(batches: Iterable[Image]) -> Generator[Floats, None, None]:
        images = iter(batches)
        for some in images:  # where there are none, the workers need not load the network
            rest = itertools.chain([some], images)
            yield from cluster_extraction.extract_on_cluster(open_team(), rest)

    return Extractor(width, extract)


def mirror(images: Image, _: Sequence[str] = ()) -> Image:
    """The images with left and right exchanged."""
    return np.ascontiguousarray(images[:, :, ::-1])


def _list_hashes(data: TrainingData, *parts: str) -> list[str]:
    """SHA-256 of the images of some parts, or of all."""
    return [photograph.sha256 for photograph in data.list_photographs(*(parts or PARTS))]


def _augment(images: Image, hashes: Sequence[str], *, number: int, flip: bool) -> Image:
    """Augment images, which depends only on the number of the pass and on their content."""
    keys = [(number, int(sha256[:16], 16)) for sha256 in hashes]
    return augmentation.augment(images, keys, flip=flip)


def _read_images(
    view: View, rows: Mapping[str, int], cache: ImageCache, places: Sequence[int]
) -> Image:
    """Read images of a view by their places in its hashes."""
    hashes = [view.hashes[place] for place in places]
    images = cache.read_rows([rows[sha256] for sha256 in hashes])
    return view.transform(images, hashes) if view.transform else images


def _hash_network(network: Model, layout: str = "") -> str:
    """Identify weights and the layout of the features: other ones give other features."""
    digest = hashlib.sha256(layout.encode())
    for weights in network.get_weights():
        digest.update(weights.tobytes())
    return digest.hexdigest()[:16]
