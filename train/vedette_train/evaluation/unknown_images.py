"""Images that belong to none of the classes: half of them fit `unknown`, the rest test it."""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vedette_edge.console import Output
from vedette_edge.head.discriminant import Floats
from vedette_edge.images.discovery import find_images
from vedette_edge.images.preprocessing import Image
from vedette_edge.model.contract import Contract
from vedette_train.config import TrainConfig
from vedette_train.data.discovery import Dataset, Photograph
from vedette_train.data.image_cache import ImageCache, open_cache
from vedette_train.data.training_data import TrainingData, describe_missing_decoder
from vedette_train.errors import DatasetError

BATCH_SIZE = 16  # images

Rows = NDArray[np.intp]
Selection = tuple[ImageCache, Rows]  # some images of a folder


@dataclass(frozen=True, slots=True)
class UnknownImages:
    """Prepared images that belong to none of the classes, folder by folder."""

    fitting: tuple[Selection, ...]  # fit `unknown`
    testing: Mapping[str, Selection]  # test it, by folder

    def extract_features(self, extract: Callable[[Image], Floats]) -> Iterable[Floats] | None:
        """Features of the images for fitting, a row each, in batches; None without images."""
        return map(extract, _read_images(self.fitting)) if self.fitting else None

    def predict_scores(self, predict: Callable[[Image], Floats]) -> dict[str, Floats]:
        """A model's scores of the images for testing, by folder, a row each."""
        return {
            folder: np.concatenate([predict(images) for images in _read_images([selection])])
            for folder, selection in self.testing.items()
        }


def load_unknown_images(
    data: TrainingData, config: TrainConfig, store: Path, output: Output
) -> UnknownImages:
    """Prepare every image in the configured folders and their subfolders.

    With a head in closed form, every second one fits `unknown`. Images of the data set are left
    out. Raises DatasetError for a folder without others.
    """
    fits, known = not config.descends, data.label_by_hash
    usable = {}
    for folder in config.unknown:
        cache = _open_folder(Path(folder), data.contract, store, output)
        if len(rows := _select_usable(cache, known)):
            usable[str(folder)] = cache, rows
    fitting = [(cache, rows[1::2]) for cache, rows in usable.values() if fits and len(rows) > 1]
    step = 2 if fits else 1
    testing = {folder: (cache, rows[::step]) for folder, (cache, rows) in usable.items()}
    if not testing:
        raise DatasetError(
            f"{config.unknown[0]}: every picture also belongs to a class; expected pictures that "
            "belong to none, for example twenty"
        )
    return UnknownImages(tuple(fitting), testing)


def _read_images(selections: Sequence[Selection]) -> Iterator[Image]:
    for cache, rows in selections:
        for start in range(0, len(rows), BATCH_SIZE):
            yield cache.read_rows(rows[start : start + BATCH_SIZE])


def _select_usable(cache: ImageCache, known: Container[str]) -> Rows:
    """The rows of readable images outside the data set, each once, in order of content."""
    rows = {
        entry.sha256: row
        for row, entry in enumerate(cache.entries)
        if not entry.error and entry.sha256 not in known
    }
    return np.array([rows[sha256] for sha256 in sorted(rows)], np.intp)


def _open_folder(folder: Path, contract: Contract, store: Path, output: Output) -> ImageCache:
    files = [path.relative_to(folder).as_posix() for path in find_images(folder, strict=True)]
    dataset = Dataset(folder, contract.labels, tuple(Photograph(file, 0) for file in files), {})
    with output.show_progress("preparing unknown pictures", len(files)) as advance:
        cache = open_cache(dataset, contract, store, advance) if files else None
    if cache and (missing := describe_missing_decoder(cache)):
        output.err.print(missing, style="bold red")
    if not cache or all(entry.error for entry in cache.entries):
        raise DatasetError(f"{folder}: no readable picture; expected some that are of no class")
    return cache
