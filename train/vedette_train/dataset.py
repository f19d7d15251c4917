"""Folders of photographs become a list of them, with their classes."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from vedette_edge.pictures import files_in, is_picture
from vedette_train.errors import DatasetError

TRAIN, TEST = "train", "test"  # the folders of a data set that is split already

LOOSE = "lies in no class's folder"
UNNAMED = "is no picture by its name; JPEG, PNG, BMP, WebP, GIF and TIFF are read"


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
    strays: dict[str, str]  # files that are no photographs of a class -> why not


def find(folder: Path) -> Dataset:
    """List `folder/<class>/*`, or `folder/train/<class>/*` with `folder/test/<class>/*`.

    Pictures may lie in folders within their class. Hidden and empty folders are no classes; what
    lies beside train/ and test/ is left alone. Raises DatasetError if there are fewer than two
    classes, or one to test and not to train.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder}: is no folder; expected one folder of photographs a class")
    if (folder / TRAIN).is_dir() and (folder / TEST).is_dir():
        parts = {TRAIN: _classes(folder / TRAIN), TEST: _classes(folder / TEST)}
        _check_same_classes(folder, parts[TRAIN], parts[TEST])
        loose = [*_loose(folder / TRAIN), *_loose(folder / TEST)]
    else:
        _check_no_half_split(folder)
        parts = {"": _classes(folder)}
        loose = _loose(folder)
    labels = tuple(sorted({name for classes in parts.values() for name in classes}))
    _check_enough_classes(folder, labels)
    files = [
        (file, Photograph(_relative(file, folder), labels.index(name), part))
        for part, classes in parts.items()
        for name in classes
        for file in classes[name]
    ]
    photographs = [photograph for file, photograph in files if _is_usable(file)]
    photographs.sort(key=lambda photograph: (photograph.label, photograph.file))
    strays = {_relative(file, folder): LOOSE for file in sorted(loose)}
    strays |= {_relative(file, folder): UNNAMED for file, _ in files if not _is_usable(file)}
    return Dataset(folder, labels, tuple(photographs), strays)


def _classes(folder: Path) -> dict[str, list[Path]]:
    """The folders that hold pictures, with every file in them."""
    classes = {}
    for child in folder.iterdir():
        if child.is_dir() and not child.name.startswith("."):
            files = sorted(files_in(child))
            if any(map(_is_usable, files)):
                classes[child.name] = files
    return classes


def _is_usable(file: Path) -> bool:
    """A picture by its ending, with a name that is text: lists and logs must name it."""
    return is_picture(file) and file.name.isprintable()


def _loose(folder: Path) -> list[Path]:
    """Files that lie beside the classes' folders and so belong to none."""
    return [child for child in folder.iterdir() if child.is_file() and child.name[0] != "."]


def _relative(file: Path, folder: Path) -> str:
    return file.relative_to(folder).as_posix()


def _check_no_half_split(folder: Path) -> None:
    """Folders named train or test that hold folders alone are no classes."""
    for part in (TRAIN, TEST):
        if (folder / part).is_dir() and not _loose(folder / part):
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
