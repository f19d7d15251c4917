"""Pictures of none of the classes: half of them help to fit `unknown`, the rest measure it."""

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vedette_edge.console import Output
from vedette_edge.head.discriminant import Floats
from vedette_edge.images.discovery import find_images
from vedette_edge.images.preprocessing import Image
from vedette_edge.model.contract import UNKNOWN, Contract
from vedette_train.config import TrainConfig
from vedette_train.data.discovery import Dataset, Photograph
from vedette_train.data.image_cache import ImageCache, open_cache
from vedette_train.data.survey import describe_missing_decoder
from vedette_train.data.training_data import TrainingData
from vedette_train.errors import DatasetError
from vedette_train.training.feature_cache import AT_A_TIME

Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class UnknownImages:
    """Prepared pictures of none of the classes, folder by folder."""

    stores: tuple[ImageCache, ...]
    fitted: tuple[Rows, ...]  # of each store, those that `unknown` is fitted with
    measured: tuple[Rows, ...]  # of each store, those that it is measured with

    def features(self, extract: Callable[[Image], Floats]) -> Iterable[Floats] | None:
        """Features of the pictures to fit with, a row each, in batches; None without any."""
        return map(extract, self._pictures(self.fitted)) if any(map(len, self.fitted)) else None

    def scores(self, predict: Callable[[Image], Floats]) -> Floats:
        """A model's scores of the pictures to measure with, a row each."""
        return np.concatenate([predict(pictures) for pictures in self._pictures(self.measured)])

    def _pictures(self, rows_by_store: Sequence[Rows]) -> Iterator[Image]:
        for store, rows in zip(self.stores, rows_by_store, strict=True):
            for start in range(0, len(rows), AT_A_TIME):
                yield store.read_rows(rows[start : start + AT_A_TIME])


def load_unknown_images(
    material: TrainingData, settings: TrainConfig, stores: Path, terminal: Output
) -> UnknownImages:
    """Prepare every picture in the folders and the folders in them.

    For a head in closed form, every other one is to fit `unknown` with, unless it is a class.
    Pictures that are trained on or tested by are left out. Raises DatasetError for a folder
    without others.
    """
    fits = not settings.descends and UNKNOWN not in material.contract.labels
    known = {material.hashes[row] for row in material.rows}
    opened = [_open(folder, material.contract, stores, terminal) for folder in settings.unknown]
    fitted, measured = [], []
    for store in opened:
        rows = _usable(store, known)
        fitted.append(rows[1::2] if fits else rows[:0])
        measured.append(rows[::2] if fits else rows)
    if not any(len(rows) for rows in measured):
        raise DatasetError(
            f"{settings.unknown[0]}: every picture is one of the classes', too; expected some of "
            "none of them: twenty are good"
        )
    return UnknownImages(tuple(opened), tuple(fitted), tuple(measured))


def _usable(store: ImageCache, known: Container[str]) -> Rows:
    """The rows of pictures that were read and are of no class, each once, in order of content."""
    rows = {
        entry.sha256: row
        for row, entry in enumerate(store.entries)
        if not entry.error and entry.sha256 not in known
    }
    return np.array([rows[sha256] for sha256 in sorted(rows)], np.intp)


def _open(folder: Path, contract: Contract, stores: Path, terminal: Output) -> ImageCache:
    files = [path.relative_to(folder).as_posix() for path in find_images(folder)]
    found = Dataset(folder, contract.labels, tuple(Photograph(file, 0) for file in files), {})
    with terminal.show_progress("preparing unknown pictures", len(files)) as advance:
        store = open_cache(found, contract, stores, advance) if files else None
    if store and (missing := describe_missing_decoder(store)):
        terminal.err.print(missing, style="bold red")
    if not store or all(entry.error for entry in store.entries):
        raise DatasetError(f"{folder}: no picture that can be read; expected some, of no class")
    return store
