"""Features of images from a backbone, in several views; those of earlier runs are reused."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vedette_edge.console import Output
from vedette_edge.images.preprocessing import Image
from vedette_train.config import TrainConfig
from vedette_train.data import augmentation
from vedette_train.data.discovery import TRAIN
from vedette_train.data.split import PARTS, VALIDATION
from vedette_train.data.training_data import TrainingData
from vedette_train.models.architectures import Model
from vedette_train.models.block_features import BlockFeatures
from vedette_train.models.fold_batchnorm import freeze_backbone
from vedette_train.training.devices import convert_to_float32
from vedette_train.training.feature_cache import Extractor, FeatureCache, compute_features
from vedette_train.training.training_run import TrainingRun

AUGMENTED_PASSES = 4  # over the training part

Transform = Callable[[Image, Sequence[str]], Image]  # images and their hashes -> another view


@dataclass(frozen=True, slots=True)
class View:
    """A way to see some images, and the file of its features."""

    file: str  # in the folder of features
    hashes: Sequence[str]  # SHA-256 of the images
    transform: Transform | None = None  # None: images as they are


def extract_augmented(backbone: Model, run: TrainingRun) -> list[FeatureCache]:
    """Features of every image, then, with augmentation, passes over the training part."""
    config, data = run.config, run.data
    name = f"{config.architecture}-{_hash_network(backbone)}"
    frozen = freeze_backbone(convert_to_float32(backbone))
    extractor = Extractor(frozen, backbone.output_shape[-1], name)
    source = hashlib.sha256(Path(augmentation.__file__).read_bytes()).hexdigest()[:8]
    flip = "" if config.flip else "-unmirrored"
    learned = _list_hashes(data, TRAIN)
    views = [View(f"{name}.f32", _list_hashes(data))]
    for number in range(1, AUGMENTED_PASSES + 1) if config.augment else ():
        transform = _create_augmentation(number, flip=config.flip)
        views.append(View(f"{name}-{source}-{number}{flip}.f32", learned, transform))
    return extract_views(extractor, views, data, run.output)


def extract_block_features(
    features: BlockFeatures, data: TrainingData, config: TrainConfig, output: Output
) -> list[FeatureCache]:
    """Features of every image and, with flip, of the mirrored images to train on."""
    identity = _hash_network(features.network, repr(features.blocks))
    name = f"{config.architecture}-blocks-{identity}"
    extractor = Extractor(features.network.predict_on_batch, features.width, name)
    views = [View(f"{name}.f32", _list_hashes(data))]
    if config.flip:
        learned = _list_hashes(data, TRAIN, VALIDATION)
        views.append(View(f"{name}-mirrored.f32", learned, mirror))
    return extract_views(extractor, views, data, output)


def extract_views(
    extractor: Extractor, views: Sequence[View], data: TrainingData, output: Output
) -> list[FeatureCache]:
    """The features of each view; computes those that the cache lacks."""
    rows = {sha256: row for row, sha256 in enumerate(data.hashes)}
    folder = data.cache.folder / "features"
    total = sum(len(view.hashes) for view in views)
    with output.show_progress("computing features", total) as advance:
        return [
            compute_features(
                folder / view.file,
                view.hashes,
                _create_reader(view, rows, data),
                extractor,
                advance,
            )
            for view in views
        ]


def mirror(images: Image, _: Sequence[str] = ()) -> Image:
    """The images with left and right exchanged."""
    return np.ascontiguousarray(images[:, :, ::-1])


def _list_hashes(data: TrainingData, *parts: str) -> list[str]:
    """SHA-256 of the images of some parts, or of all."""
    return [photograph.sha256 for photograph in data.list_photographs(*(parts or PARTS))]


def _create_augmentation(number: int, *, flip: bool) -> Transform:
    """Augmentation that depends only on the pass and the content of the image."""

    def transform(images: Image, hashes: Sequence[str]) -> Image:
        keys = [(number, int(sha256[:16], 16)) for sha256 in hashes]
        return augmentation.augment(images, keys, flip=flip)

    return transform


def _create_reader(
    view: View, rows: dict[str, int], data: TrainingData
) -> Callable[[list[int]], Image]:
    """A function that reads images of a view by their places in its hashes."""

    def read(places: list[int]) -> Image:
        hashes = [view.hashes[place] for place in places]
        images = data.cache.read_rows([rows[sha256] for sha256 in hashes])
        return view.transform(images, hashes) if view.transform else images

    return read


def _hash_network(network: Model, layout: str = "") -> str:
    """Identify weights and the layout of the features: other ones give other features."""
    digest = hashlib.sha256(layout.encode())
    for weights in network.get_weights():
        digest.update(weights.tobytes())
    return digest.hexdigest()[:16]
