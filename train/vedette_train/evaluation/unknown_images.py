"""Images that belong to none of the classes: half of them fit `unknown`, the rest test it."""

from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vedette_edge.head.covariance import Floats
from vedette_edge.images.discovery import find_images
from vedette_edge.images.preprocessing import Image
from vedette_edge.model.contract import Contract
from vedette_train.config import TrainConfig
from vedette_train.data.discovery import Dataset, Photograph
from vedette_train.data.image_cache import ImageCache, open_cache
from vedette_train.data.near_duplicates import find_groups
from vedette_train.data.training_data import TrainingData, describe_missing_decoder
from vedette_train.data.workplace import Workplace
from vedette_train.errors import DatasetError

BATCH_SIZE = 16  # images

Selection = tuple[ImageCache, NDArray[np.intp]]  # some images of a folder


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


def load_unknown_images(data: TrainingData, config: TrainConfig, place: Workplace) -> UnknownImages:
    """Prepare every image in the configured folders and their subfolders.

    With a head in closed form, about half of them fit `unknown`. Images of the data set are left
    out, and one that is in several folders counts in the first of them. Raises DatasetError for a
    folder without a readable image, and if no image is left.
    """
    folders = list(dict.fromkeys(map(str, config.unknown)))
    opened = [_open_folder(Path(folder), data.contract, place) for folder in folders]
    joined = _JoinedCaches(opened)
    testing, fitting = _split_rows(joined, data.label_by_hash, fits=not config.descends)
    if not testing:
        raise DatasetError(
            f"{config.unknown[0]}: every picture also belongs to a class; expected pictures that "
            "belong to none, for example twenty"
        )
    measured = {folders[number]: one for number, one in joined.select_rows(testing).items()}
    if others := [folder for folder in folders if folder not in measured]:
        place.output.err.print(
            f"{', '.join(others)}: not measured on its own, because each picture is, or looks "
            "like, one of a class or of another folder"
        )
    return UnknownImages(tuple(joined.select_rows(fitting).values()), measured)


class _JoinedCaches:
    """The rows of several caches, as if they were of one."""

    def __init__(self, caches: Sequence[ImageCache]) -> None:
        self._caches = caches
        self.entries = tuple(entry for cache in caches for entry in cache.entries)
        sizes = [len(cache.entries) for cache in caches]
        self.places = [(cache, row) for cache, size in enumerate(sizes) for row in range(size)]

    def read_reduced(self, row: int) -> Image:
        """A copy of one image at the size for comparisons: uint8, SIDE_PX x SIDE_PX x 3."""
        cache, own = self.places[row]
        return self._caches[cache].read_reduced(own)

    def select_rows(self, rows: Iterable[int]) -> dict[int, Selection]:
        """Some rows, by the index of their cache."""
        selected: dict[int, list[int]] = {}
        for cache, own in sorted(self.places[row] for row in rows):
            selected.setdefault(cache, []).append(own)
        return {cache: (self._caches[cache], np.array(own)) for cache, own in selected.items()}


def _read_images(selections: Sequence[Selection]) -> Iterator[Image]:
    for cache, rows in selections:
        for start in range(0, len(rows), BATCH_SIZE):
            yield cache.read_rows(rows[start : start + BATCH_SIZE])


def _split_rows(
    joined: _JoinedCaches, known: Container[str], *, fits: bool
) -> tuple[list[int], list[int]]:
    """The rows for testing and for fitting: of readable images outside the data set, each once.

    If some are for fitting, about half of each folder are, by content; look-alikes stay together.
    """
    rows: dict[str, int] = {}
    for row, entry in enumerate(joined.entries):
        if not entry.error and entry.sha256 not in known:
            rows.setdefault(entry.sha256, row)
    testing, fitting = sides = list[int](), list[int]()
    alike = {row: group[0] for group in find_groups(joined) for row in group} if fits else {}
    groups: dict[int, list[int]] = {}
    for _, row in sorted(rows.items()):
        groups.setdefault(alike.get(row, row), []).append(row)
    counts = Counter[tuple[int, bool]]()
    for group in groups.values():
        folder, _ = joined.places[group[0]]
        fit = fits and counts[folder, True] < counts[folder, False]
        counts[folder, fit] += len(group)
        sides[fit].extend(group)
    return testing, fitting


def _open_folder(folder: Path, contract: Contract, place: Workplace) -> ImageCache:
    files = [path.relative_to(folder).as_posix() for path in find_images(folder, strict=True)]
    dataset = Dataset(folder, contract.labels, tuple(Photograph(file, 0) for file in files), {})
    with place.output.show_progress("preparing unknown pictures", len(files)) as advance:
        cache = open_cache(dataset, contract, place, advance) if files else None
    if cache and (missing := describe_missing_decoder(cache)):
        place.output.err.print(missing, style="bold red")
    if not cache or all(entry.error for entry in cache.entries):
        raise DatasetError(f"{folder}: no readable picture; expected some that are of no class")
    return cache
