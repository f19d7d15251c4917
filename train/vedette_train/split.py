"""Which photograph is trained on, which chooses the epoch, and which is tested on."""

import csv
import io
import itertools
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from vedette_train.dataset import TEST, TRAIN, Dataset, Photograph
from vedette_train.errors import DatasetError

VALIDATION = "validation"
PARTS = (TRAIN, VALIDATION, TEST)


@dataclass(frozen=True, slots=True)
class Shares:
    """How much of the photographs goes where: 0..1."""

    test: float  # of all; nothing is taken where a test folder is given
    validation: float  # of what is left for training

    def __post_init__(self) -> None:
        for share in (self.test, self.validation):
            if not 0 < share < 1:  # which also refuses nan
                raise DatasetError(f"share is {share}, expected more than 0 and less than 1")


def split(photographs: Sequence[Photograph], shares: Shares, seed: int) -> list[str]:
    """A part for each photograph: stratified by class, the same for the same seed."""
    parts = np.array([photograph.part or TRAIN for photograph in photographs], dtype="U10")
    labels = np.array([photograph.label for photograph in photographs])
    if TEST not in parts:
        parts[_drawn(parts, labels, shares.test, seed)] = TEST
    parts[_drawn(parts, labels, shares.validation, seed)] = VALIDATION
    return [str(part) for part in parts]


def _drawn(
    parts: NDArray[np.str_], labels: NDArray[np.intp], share: float, seed: int
) -> NDArray[np.intp]:
    """Which of the photographs for training are drawn for another part."""
    rows = np.flatnonzero(parts == TRAIN)
    _, drawn = train_test_split(rows, test_size=share, stratify=labels[rows], random_state=seed)
    return np.asarray(drawn)


def check_enough(dataset: Dataset, photographs: Sequence[Photograph], shares: Shares) -> None:
    """Raise DatasetError, naming the classes, if one is too small to have a part in each part."""
    given = any(photograph.part for photograph in photographs)
    needed = {TRAIN: _fewest(0 if given else shares.test, shares.validation), TEST: 1}
    for part in (TRAIN, TEST) if given else ("",):
        counts = Counter(one.label for one in photographs if one.part == part)
        fewest = needed[part or TRAIN]
        small = [
            f"{name} ({counts[label]})"
            for label, name in enumerate(dataset.labels)
            if counts[label] < fewest
        ]
        if small:
            raise DatasetError(
                f"{dataset.folder / part}: too few pictures to split in {', '.join(small)}; "
                f"each class needs {fewest}, so that training, validation and test all see it. "
                "Add pictures or take the class out"
            )


def _fewest(test_share: float, validation_share: float) -> int:
    """The fewest pictures of a class of which each part gets one, however the rest is rounded."""
    for count in itertools.count(2):
        tested = math.floor(count * test_share) + (test_share > 0)  # at most
        validated = (count - tested) * validation_share  # at least
        trained = count - tested - math.floor(validated) - 1  # at least
        if count * test_share >= (test_share > 0) and validated >= 1 and trained >= 1:
            return count
    raise AssertionError("unreachable: both shares are below 1")


def manifest(
    photographs: Sequence[Photograph],
    parts: Sequence[str],
    hashes: Sequence[str],
    labels: Sequence[str],
) -> str:
    """split.csv: which file went where, and the SHA-256 of its bytes."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("part", "label", "file", "sha256"))
    for one, part, sha256 in zip(photographs, parts, hashes, strict=True):
        writer.writerow((part, labels[one.label], one.file, sha256))
    return text.getvalue()


def encoded(manifest: str) -> bytes:
    """The bytes of split.csv; file names that are no UTF-8 keep theirs."""
    return manifest.encode(errors="surrogateescape")
