"""Pictures become features of a backbone, plain and augmented, those of earlier runs reused."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from vedette_edge.command_line import Terminal
from vedette_edge.prepare import Picture
from vedette_train import augment as augmentation
from vedette_train.architectures import Model
from vedette_train.augment import augment
from vedette_train.dataset import TRAIN
from vedette_train.devices import settled
from vedette_train.features import Features, compute
from vedette_train.frozen import frozen
from vedette_train.material import Material
from vedette_train.settings import Settings

AUGMENTED_PASSES = 4  # times that features are computed of the training part, augmented


def passes(
    backbone: Model, material: Material, chosen: Settings, terminal: Terminal
) -> list[Features]:
    """Features of every picture, then, with augmentation, passes over the training part."""
    everything = [material.hashes[row] for row in material.rows]
    learned = [material.hashes[row] for row in material.part(TRAIN)[0]]
    wanted = [everything] + [learned] * (AUGMENTED_PASSES if chosen.augment else 0)
    places = {sha256: row for row, sha256 in enumerate(material.hashes)}
    extract = frozen(settled(backbone))
    name = f"{chosen.architecture}-{_digest(backbone)}"
    with terminal.progress("computing features", sum(map(len, wanted))) as advance:
        return [
            compute(
                material.store.folder / "features" / _file(name, number, chosen),
                hashes,
                _taking(hashes, places, material, number, chosen),
                extract,
                backbone.output_shape[-1],
                advance,
            )
            for number, hashes in enumerate(wanted)
        ]


def _file(name: str, number: int, chosen: Settings) -> Path:
    mirrored = "" if chosen.flip else "-unmirrored"
    how = hashlib.sha256(Path(augmentation.__file__).read_bytes()).hexdigest()[:8]
    return Path(f"{name}-{how}-{number}{mirrored}.f32" if number else f"{name}.f32")


def _taking(
    hashes: list[str], places: dict[str, int], material: Material, number: int, chosen: Settings
) -> Callable[[list[int]], Picture]:
    """Takes pictures by place in `hashes`; from pass 1 on augmented, by pass and content."""

    def take(chosen_places: list[int]) -> Picture:
        wanted = [hashes[place] for place in chosen_places]
        pictures = material.store.take([places[sha256] for sha256 in wanted])
        if not number:
            return pictures
        keys = [(number, int(sha256[:16], 16)) for sha256 in wanted]
        return augment(pictures, keys, flip=chosen.flip)

    return take


def _digest(backbone: Model) -> str:
    """Names the weights: features of others are other features."""
    digest = hashlib.sha256()
    for weights in backbone.get_weights():
        digest.update(weights.tobytes())
    return digest.hexdigest()[:16]
