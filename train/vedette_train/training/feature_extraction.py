"""Pictures become features of a backbone, view by view; those of earlier runs are reused."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vedette_edge.console import Output
from vedette_edge.images.preprocessing import Image
from vedette_train.config import TrainConfig
from vedette_train.data import augmentation as augmentation
from vedette_train.data.augmentation import augment
from vedette_train.data.discovery import TRAIN
from vedette_train.data.split import VALIDATION
from vedette_train.data.training_data import TrainingData
from vedette_train.models.architectures import Model
from vedette_train.models.block_features import BlockFeatures
from vedette_train.models.fold_batchnorm import freeze_backbone
from vedette_train.training.devices import convert_to_float32
from vedette_train.training.feature_cache import Extract, Features, compute

AUGMENTED_PASSES = 4  # times that features are computed of the training part, augmented

Change = Callable[[Image, Sequence[str]], Image]  # pictures and their hashes -> another view


@dataclass(frozen=True, slots=True)
class View:
    """Features of some pictures, seen in one way."""

    file: str  # in the folder of features
    hashes: Sequence[str]  # SHA-256 of the pictures
    change: Change | None = None  # None: as they are


@dataclass(frozen=True, slots=True)
class Extractor:
    """A network that gives features."""

    extract: Extract
    width: int
    name: str  # names the network and its weights


def extract_augmented(
    backbone: Model, material: TrainingData, chosen: TrainConfig, terminal: Output
) -> list[Features]:
    """Features of every picture, then, with augmentation, passes over the training part."""
    name = f"{chosen.architecture}-{_digest(backbone)}"
    extractor = Extractor(
        freeze_backbone(convert_to_float32(backbone)), backbone.output_shape[-1], name
    )
    how = hashlib.sha256(Path(augmentation.__file__).read_bytes()).hexdigest()[:8]
    mirrored = "" if chosen.flip else "-unmirrored"
    learned = _hashes(material, (TRAIN,))
    views = [View(f"{name}.f32", _hashes(material))]
    for number in range(1, AUGMENTED_PASSES + 1) if chosen.augment else ():
        file = f"{name}-{how}-{number}{mirrored}.f32"
        views.append(View(file, learned, _augmented(number, flip=chosen.flip)))
    return extract_views(extractor, views, material, terminal)


def extract_block_features(
    features: BlockFeatures, material: TrainingData, chosen: TrainConfig, terminal: Output
) -> list[Features]:
    """Features of every picture and, with flip, of the mirrored ones that are learned from."""
    name = f"{chosen.architecture}-blocks-{_digest(features.network, repr(features.blocks))}"
    extractor = Extractor(features.network.predict_on_batch, features.width, name)
    views = [View(f"{name}.f32", _hashes(material))]
    if chosen.flip:
        learned = _hashes(material, (TRAIN, VALIDATION))
        views.append(View(f"{name}-mirrored.f32", learned, mirror))
    return extract_views(extractor, views, material, terminal)


def extract_views(
    extractor: Extractor, views: Sequence[View], material: TrainingData, terminal: Output
) -> list[Features]:
    """The features of each view, those that are in the cache not computed again."""
    rows = {sha256: row for row, sha256 in enumerate(material.hashes)}
    total = sum(len(view.hashes) for view in views)
    with terminal.show_progress("computing features", total) as advance:
        return [
            compute(
                material.store.folder / "features" / view.file,
                view.hashes,
                _taking(view, rows, material),
                extractor.extract,
                extractor.width,
                advance,
            )
            for view in views
        ]


def mirror(pictures: Image, _: Sequence[str] = ()) -> Image:
    """The pictures with left and right exchanged."""
    return np.ascontiguousarray(pictures[:, :, ::-1])


def _hashes(material: TrainingData, parts: Sequence[str] = ()) -> list[str]:
    """SHA-256 of the pictures of some parts, or of all."""
    rows = material.select_part(*parts)[0] if parts else material.rows
    return [material.hashes[row] for row in rows]


def _augmented(number: int, *, flip: bool) -> Change:
    """Augmentation that depends on the pass and the content of the picture alone."""

    def change(pictures: Image, hashes: Sequence[str]) -> Image:
        return augment(pictures, [(number, int(sha256[:16], 16)) for sha256 in hashes], flip=flip)

    return change


def _taking(
    view: View, rows: dict[str, int], material: TrainingData
) -> Callable[[list[int]], Image]:
    """Takes pictures of a view by their places in its hashes."""

    def take(places: list[int]) -> Image:
        hashes = [view.hashes[place] for place in places]
        pictures = material.store.read_rows([rows[sha256] for sha256 in hashes])
        return view.change(pictures, hashes) if view.change else pictures

    return take


def _digest(network: Model, reading: str = "") -> str:
    """Names the weights and how they are read: features of others are other features."""
    digest = hashlib.sha256(reading.encode())
    for weights in network.get_weights():
        digest.update(weights.tobytes())
    return digest.hexdigest()[:16]
