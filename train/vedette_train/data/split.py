"""The split of photographs into training, validation and test part, and into folds."""

import csv
import io
import itertools
import math
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold, train_test_split

from vedette_edge.errors import join_names
from vedette_train.data.discovery import Dataset, Photograph, group_alike
from vedette_train.data.layout import PARTS, TEST, TRAIN, VALIDATION
from vedette_train.errors import DatasetError

LEARNED = "learned"  # in an earlier run without validation: for training or validation now

FOLDS = 5
FEWEST = 3  # photographs of a class, one of which is out of each fold
LEAST_LEARNED = 2  # photographs of a class in the training part
TEST_FROM = 20  # photographs of every class from which on a test part is required


@dataclass(frozen=True, slots=True)
class Shares:
    """The shares of the test and the validation part: 0..1."""

    test: float  # of all photographs; ignored if there is a test folder
    validation: float  # of the rest; ignored if there is a validation folder; 0: no such part

    def __post_init__(self) -> None:
        for share in (self.test, self.validation):
            if not 0 <= share < 1:  # also refuses nan
                raise DatasetError(f"share is {share}, expected 0 or more and less than 1")


def assign_parts(
    photographs: Sequence[Photograph], shares: Shares, seed: int, known: Mapping[str, str]
) -> dict[str, str]:
    """Assign a part to each photograph, by file: stratified by class, the same for a seed.

    Photographs that look alike stay together. `known` maps SHA-256 to the part in an earlier run,
    which stays: a photograph that was learned must never be tested on. A group goes to the first
    of train, validation and test that one of it had; LEARNED may go to either of the first two.
    All are drawn first as if they were new and none like another, so that the shares are about
    right, and a near-duplicate moves no other photograph.
    """
    drawn = _draw_parts(photographs, shares, seed)
    groups = group_alike(photographs)
    kept = [_find_kept_part(group, known) for group in groups]
    pairs = zip(kept, groups, strict=True)
    parts = [_choose_part(part, drawn[group[0].file]) for part, group in pairs]
    labels = [group[0].label for group in groups]
    movable = [not part for part in kept]
    _fill_gaps(parts, labels, movable, required=set(drawn.values()))
    pairs = zip(parts, groups, strict=True)
    return {photograph.file: part for part, group in pairs for photograph in group}


def _draw_parts(photographs: Sequence[Photograph], shares: Shares, seed: int) -> dict[str, str]:
    """Draw a part for each photograph on its own, by file."""
    parts = np.array([photograph.part or TRAIN for photograph in photographs], dtype="U10")
    labels = np.array([photograph.label for photograph in photographs])
    if TEST not in parts and shares.test:
        parts[_draw_share(parts, labels, shares.test, seed)] = TEST
    if VALIDATION not in parts and shares.validation:
        parts[_draw_share(parts, labels, shares.validation, seed)] = VALIDATION
    files = (photograph.file for photograph in photographs)
    return dict(zip(files, parts.tolist(), strict=True))


def _draw_share(
    parts: NDArray[np.str_], labels: NDArray[np.intp], share: float, seed: int
) -> NDArray[np.intp]:
    """Indices of a share of the training part, for another part."""
    rows = np.flatnonzero(parts == TRAIN)
    _, drawn = train_test_split(rows, test_size=share, stratify=labels[rows], random_state=seed)
    return np.asarray(drawn)


def _find_kept_part(group: Sequence[Photograph], known: Mapping[str, str]) -> str:
    """The part that a group must keep, or an empty string."""
    from_folders = [one.part for one in group if one.part in (VALIDATION, TEST)]
    if TEST in from_folders:
        return TEST
    order = (TRAIN, LEARNED, VALIDATION, TEST)
    before = (known[one.sha256] for one in group if one.sha256 in known)
    return min((*before, *from_folders), key=order.index, default="")


def _choose_part(kept: str, drawn: str) -> str:
    if kept == LEARNED:
        return drawn if drawn != TEST else TRAIN
    return kept or drawn


def _fill_gaps(
    parts: list[str], labels: Sequence[int], movable: Sequence[bool], required: Iterable[str]
) -> None:
    """Give each class that has lost its last group of a part one from its largest part."""
    by_label: dict[int, list[int]] = {}
    for group, label in enumerate(labels):
        by_label.setdefault(label, []).append(group)
    for groups in by_label.values():
        counts = Counter(parts[group] for group in groups)
        for part in PARTS:
            free = [group for group in groups if movable[group] and counts[parts[group]] > 1]
            if part in required and not counts[part] and free:
                moved = max(free, key=lambda group: counts[parts[group]])
                counts.update({part: 1, parts[moved]: -1})
                parts[moved] = part


def assign_folds(labels: NDArray[np.intp], groups: NDArray[np.intp], seed: int) -> NDArray[np.intp]:
    """A fold 0, 1, ... for each photograph: stratified by class, look-alikes in one fold.

    `groups` numbers the look-alikes. There are FOLDS folds, or as many as the largest class has
    photographs that do not look alike, and at least two. A smaller class is not in every fold.
    """
    _, first, units = np.unique(groups, return_index=True, return_inverse=True)
    largest = np.unique_counts(labels[first]).counts.max()
    count = int(np.clip(largest, 2, FOLDS))
    drawn = np.arange(len(first)) % count
    if largest > 1:
        dealer = StratifiedKFold(count, shuffle=True, random_state=seed)
        with warnings.catch_warnings(action="ignore"):  # of classes smaller than the folds
            for fold, (_, members) in enumerate(dealer.split(first, labels[first])):
                drawn[members] = fold
    folds = drawn[units]
    for label in np.unique(labels):  # a class in one fold alone could not be learned without it
        members = np.flatnonzero(labels == label)
        if len(set(folds[members])) == 1:
            folds[members] = np.arange(len(members)) % count
    return folds


def check_parts(parts: Mapping[str, str], dataset: Dataset, shares: Shares) -> None:
    """Raise DatasetError if a part is empty, for example if an earlier run has learned all.

    `parts` maps each file of the data set to its part. Each class needs LEAST_LEARNED in the
    training part: of a head in closed form, each fold takes some.
    """
    needed = {TRAIN: 1.0, VALIDATION: shares.validation, TEST: shares.test}
    if missing := {part for part, share in needed.items() if share} - set(parts.values()):
        raise DatasetError(
            f"{dataset.folder}: no photograph is left for {' and '.join(sorted(missing))}, because "
            "those of the earlier run keep their part. Add new ones, or train without --start"
        )
    learned = Counter(one.label for one in dataset.photographs if parts[one.file] == TRAIN)
    small = [name for label, name in enumerate(dataset.labels) if learned[label] < LEAST_LEARNED]
    if small:
        raise DatasetError(
            f"{dataset.folder}: fewer than {LEAST_LEARNED} photographs are left to learn from in "
            f"{join_names(small)}. Add new ones, hold back less, or train without --start"
        )


def check_enough(dataset: Dataset, shares: Shares) -> None:
    """Raise DatasetError, naming the classes, if one is too small to be in each part.

    Photographs that look alike count as one, since they stay together.
    """
    from_folders = {photograph.part for photograph in dataset.photographs} - {TRAIN, ""}
    tested = TEST in from_folders
    needed = dict.fromkeys(sorted(from_folders), 1)
    needed[TRAIN if from_folders else ""] = _compute_fewest(
        0 if tested else shares.test, 0 if VALIDATION in from_folders else shares.validation
    )
    different = [group[0] for group in group_alike(dataset.photographs)]
    for part, fewest in needed.items():
        counts = Counter(one.label for one in different if one.part == part)
        sizes = ((name, counts[label]) for label, name in enumerate(dataset.labels))
        small = [f"{name} ({count})" for name, count in sizes if count < fewest]
        if small:
            apart = " that do not look alike" if len(different) < len(dataset.photographs) else ""
            raise DatasetError(
                f"{dataset.folder}{part and f', part {part}'}: too few pictures to split in "
                f"{join_names(small)}; each class needs {fewest}{apart}, so that "
                f"{_list_parts(shares, tested)}. "
                f"Add pictures{_suggest_no_test(shares, tested)} or remove the class"
            )


def _list_parts(shares: Shares, tested: bool) -> str:
    """The parts that need photographs of each class, as the end of a message."""
    parts = ["validation"] * bool(shares.validation) + ["test"] * bool(shares.test or tested)
    if not parts:
        return "cross-validation can hold back some and learn from the rest"
    return f"{', '.join(['training', *parts[:-1]])} and {parts[-1]} have some of it"


def _suggest_no_test(shares: Shares, tested: bool) -> str:
    """The hint for a data set that is large enough without a test part."""
    possible = shares.test and not shares.validation and not tested
    hint = f", omit the test part with --test 0 ({FEWEST} a class are enough),"
    return hint if possible else ""


def _compute_fewest(test_share: float, validation_share: float) -> int:
    """The fewest photographs of a class that put one into each part, however they are rounded.

    Without a validation part, folds take its place, and need one photograph each.
    """
    for count in itertools.count(2 if validation_share else FEWEST):
        tested = math.floor(count * test_share) + (test_share > 0)  # at most
        validated = (count - tested) * validation_share  # at least
        trained = count - tested - math.floor(validated) - (validation_share > 0)  # at least
        if (
            count * test_share >= (test_share > 0)
            and validated >= (validation_share > 0)
            and trained >= 1 + (not validation_share)
        ):
            return count
    raise AssertionError("unreachable: both shares are below 1")


def format_manifest(photographs: Iterable[Photograph], labels: Sequence[str]) -> str:
    """The text of split.csv: part, label, file and SHA-256 of each photograph."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("part", "label", "file", "sha256"))
    writer.writerows((one.part, labels[one.label], one.file, one.sha256) for one in photographs)
    return text.getvalue()
