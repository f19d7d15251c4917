"""A folder of photographs for an external model: half to calibrate with, half to judge by."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from vedette_convert.errors import KerasFileError
from vedette_convert.run import TEST, TRAIN, Photograph
from vedette_edge.errors import ImageError, join_names
from vedette_edge.files import read_bounded
from vedette_edge.images import decoding, discovery

UNKNOWN = ""  # label of a photograph outside of class folders
FEW = 40  # photographs, below which a note says that they are few

FilesByHash = dict[str, Path]  # SHA-256 of the content -> file
Warn = Callable[[str], None]


def read_photographs(folder: Path, labels: tuple[str, ...], warn: Warn) -> tuple[Photograph, ...]:
    """Read photographs in class folders named after labels, or of unknown truth in any others.

    In the order of their hashes, every other one of a class is for calibration; copies count
    once. `warn` hears of the split, and of files that are left out: unreadable ones, and loose
    ones beside class folders. Raises KerasFileError if only some folders are named after labels,
    and for fewer than two photographs.
    """
    by_label = _group_by_label(folder, _find_class_folders(folder, labels), warn)
    photographs = tuple(_split_halves(by_label))
    if {one.part for one in photographs} != {TRAIN, TEST}:
        raise KerasFileError(
            f"{folder}: {len(photographs)} readable photographs, expected some to calibrate with "
            "and others to judge by: fifty for each class are good"
        )
    calibrating = sum(one.part == TRAIN for one in photographs)
    warn(
        f"{folder}: {len(photographs)} photographs, {calibrating} to calibrate with and "
        f"{len(photographs) - calibrating} others to judge by"
    )
    if UNKNOWN in by_label:
        warn(
            f"{folder}: no folders named after the labels ({join_names(labels)}), so only "
            "agreement is judged, not accuracy"
        )
    elif missing := [label for label in labels if label not in by_label]:
        warn(f"{folder}: no photograph of {join_names(missing)}")
    if len(photographs) < FEW:
        warn(f"{folder}: only {len(photographs)} photographs; a few hundred would tell more")
    return photographs


def _find_class_folders(folder: Path, labels: tuple[str, ...]) -> dict[Path, str]:
    """Find the folders of photographs, each with its label."""
    inner = [one for one in sorted(folder.iterdir()) if one.is_dir() and one.name[0] != "."]
    known = {one: one.name for one in inner if one.name in labels}
    if not known:
        return {folder: UNKNOWN}
    if strange := [one.name for one in inner if one not in known]:
        raise KerasFileError(
            f"{folder}: folders {join_names(strange)} are not named after a label, others are. "
            f"The labels are {join_names(labels)}. Rename or remove these folders"
        )
    return known


def _group_by_label(
    folder: Path, class_folders: dict[Path, str], warn: Warn
) -> dict[str, FilesByHash]:
    by_label: dict[str, FilesByHash] = defaultdict(dict)
    for path in sorted(folder.iterdir()) if folder not in class_folders else ():
        if path.is_file() and discovery.is_image(path):
            warn(f"left out {path.name}: not in a class folder")
    for inner, label in class_folders.items():
        for path in discovery.find_images(inner, strict=True):
            try:
                data = read_bounded(path)
                decoding.decode_image(data)
            except (OSError, ImageError) as error:
                warn(f"left out {path.relative_to(folder)}: {error}")
            else:
                by_label[label].setdefault(hashlib.sha256(data).hexdigest(), path)
    return by_label


def _split_halves(by_label: dict[str, FilesByHash]) -> Iterator[Photograph]:
    for label, files in sorted(by_label.items()):
        for number, (sha256, path) in enumerate(sorted(files.items())):
            yield Photograph((TRAIN, TEST)[number % 2], label, str(path.absolute()), sha256)
