"""Folders of photographs become a list of them, with their classes."""

import os
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from vedette_edge.images.discovery import find_files, is_image
from vedette_train.errors import DatasetError

TRAIN, TEST = "train", "test"  # the folders of a data set that is split already

OUTSIDE_CLASSES = "lies in no class's folder"
NOT_AN_IMAGE = "is no picture by its name; JPEG, PNG, BMP, WebP, GIF, TIFF, HEIC and AVIF are read"


@dataclass(frozen=True, slots=True)
class Photograph:
    """A file that should be a picture of something."""

    file: str  # relative to the data folder, with forward slashes
    label: int  # its class, as an index into the labels
    part: str = ""  # train or test where the folders say so


@dataclass(frozen=True, slots=True)
class Dataset:
    """What was found in a data folder, before a file was opened."""

    folder: Path
    labels: tuple[str, ...]  # the classes' names, sorted
    photographs: tuple[Photograph, ...]  # by class, then by name
    ignored: dict[str, str]  # files that are no photographs of a class -> why not
    empty: tuple[str, ...] = ()  # folders that are no classes, since no picture is in them
    hidden: tuple[str, ...] = ()  # folders that are left alone


def scan_dataset(folder: Path) -> Dataset:
    """List `folder/<class>/*`, or `folder/train/<class>/*` with `folder/test/<class>/*`.

    Pictures may lie in folders within their class. Hidden and empty folders are no classes; what
    lies beside train/ and test/ is left alone. Raises DatasetError if there are fewer than two
    classes, or one to test and not to train.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder}: is no folder; expected one folder of photographs a class")
    tops = _find_roots(folder)
    parts = {part: _list_classes(top) for part, top in tops.items()}
    if TEST in parts:
        _check_same_classes(folder, parts[TRAIN], parts[TEST])
    labels = tuple(sorted({name for classes in parts.values() for name in classes}))
    _check_enough_classes(folder, labels)
    numbers = {name: label for label, name in enumerate(labels)}
    files = [
        (file, Photograph(_make_relative(file, folder), numbers[name], part))
        for part, classes in parts.items()
        for name in classes
        for file in classes[name]
    ]
    photographs = [photograph for file, photograph in files if _is_usable(file)]
    photographs.sort(key=lambda photograph: (photograph.label, photograph.file))
    loose = sorted(file for top in tops.values() for file in _list_loose_files(top))
    others = [
        file for part, top in tops.items() for file in _list_unclassed_files(top, parts[part])
    ]
    strays = {_make_relative(file, folder): OUTSIDE_CLASSES for file in loose}
    strays |= {_make_relative(file, folder): NOT_AN_IMAGE for file in others}
    strays |= {
        _make_relative(file, folder): NOT_AN_IMAGE for file, _ in files if not _is_usable(file)
    }
    return Dataset(
        folder, labels, tuple(photographs), strays, *_list_non_classes(folder, tops, parts)
    )


def _find_roots(folder: Path) -> dict[str, Path]:
    """The folders in which the classes lie, by part; the data folder itself is of no part."""
    if (folder / TRAIN).is_dir() and (folder / TEST).is_dir():
        return {TRAIN: folder / TRAIN, TEST: folder / TEST}
    _check_no_half_split(folder)
    return {"": folder}


def _list_non_classes(
    folder: Path, tops: Mapping[str, Path], parts: Mapping[str, Mapping[str, object]]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Folders that are no classes: those in which no picture is, and hidden ones."""
    empty = [
        child
        for part, top in tops.items()
        for child in _list_folders(top)
        if child.name not in parts[part]
    ]
    hidden = {
        Path(root, name)
        for root, names, _ in os.walk(folder)
        for name in names
        if name.startswith(".")
    }
    return tuple(sorted(_make_relative(child, folder) for child in empty)), tuple(
        sorted(_make_relative(child, folder) for child in hidden)
    )


def _list_classes(folder: Path) -> dict[str, list[Path]]:
    """The folders that hold pictures, with every file in them."""
    classes = {}
    for child in _list_folders(folder):
        files = sorted(find_files(child))
        if any(map(_is_usable, files)):
            classes[child.name] = files
    return classes


def _list_unclassed_files(top: Path, classes: Container[str]) -> list[Path]:
    """Files in folders that hold no picture, such as those of a format that is not read."""
    others = [child for child in _list_folders(top) if child.name not in classes]
    return sorted(file for child in others for file in find_files(child))


def _list_folders(folder: Path) -> list[Path]:
    return [child for child in folder.iterdir() if child.is_dir() and child.name[0] != "."]


def _is_usable(file: Path) -> bool:
    """A picture by its ending, with a name that is text: lists and logs must name it."""
    return is_image(file) and file.name.isprintable()


def _list_loose_files(folder: Path) -> list[Path]:
    """Files that lie beside the classes' folders and so belong to none."""
    return [child for child in folder.iterdir() if child.is_file() and child.name[0] != "."]


def _make_relative(file: Path, folder: Path) -> str:
    return file.relative_to(folder).as_posix()


def _check_no_half_split(folder: Path) -> None:
    """Folders named train or test that hold folders alone are no classes."""
    for part in (TRAIN, TEST):
        if (folder / part).is_dir() and not _list_loose_files(folder / part):
            raise DatasetError(
                f"{folder}: has {part}/ with folders in it; expected {TRAIN}/ and {TEST}/ with the "
                "same classes in both, or one folder a class and nothing else. "
                "Rename what you have, or name one of its folders"
            )


def _check_enough_classes(folder: Path, labels: tuple[str, ...]) -> None:
    if len(labels) >= 2:
        return
    found = f"one class, {labels[0]!r}" if labels else "no class"
    inner = [child.name for child in folder.iterdir() if child.is_dir()]
    hint = f" Did you mean {folder / inner[0]}?" if len(inner) == 1 else ""
    raise DatasetError(
        f"{folder}: {found} found, expected at least two folders of photographs, one a class.{hint}"
    )


def _check_same_classes(folder: Path, train: Iterable[str], test: Iterable[str]) -> None:
    for missing, here, there in (
        (set(test) - set(train), TEST, TRAIN),
        (set(train) - set(test), TRAIN, TEST),
    ):
        if missing:
            raise DatasetError(
                f"{folder}: {', '.join(sorted(missing))} stands in {here}/ and not in {there}/; "
                "expected the same classes in both"
            )
