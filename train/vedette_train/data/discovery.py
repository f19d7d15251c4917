"""The images of a data folder and their classes, before any file is opened."""

import os
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from vedette_edge.images.discovery import find_files, is_image
from vedette_edge.model.contract import LONGEST_LABEL, UNKNOWN
from vedette_train.errors import DatasetError

TRAIN, TEST = "train", "test"  # the folders of a data set that is split already

OUTSIDE_CLASSES = "not in a class folder"
NOT_AN_IMAGE = "not a picture by its name; expected JPEG, PNG, BMP, WebP, GIF, TIFF, HEIC or AVIF"


@dataclass(frozen=True, slots=True)
class Photograph:
    """A file that should be an image of a class."""

    file: str  # relative to the data folder, with forward slashes
    label: int  # its class, as an index into the labels
    part: str = ""  # train or test where the folders say so, then that of the split; empty: none
    sha256: str = ""  # of its content; empty if it is unread or not readable
    group: str = ""  # the first file that looks like it, perhaps itself; empty: not compared yet


@dataclass(frozen=True, slots=True)
class Dataset:
    """The content of a data folder."""

    folder: Path
    labels: tuple[str, ...]  # the classes' names, sorted
    photographs: tuple[Photograph, ...]  # by class, then by name
    ignored: dict[str, str]  # files that are not photographs of a class -> reason
    empty: tuple[str, ...] = ()  # folders without images, which are not classes
    hidden: tuple[str, ...] = ()  # folders that are skipped


def group_alike(photographs: Iterable[Photograph]) -> list[list[Photograph]]:
    """Groups of photographs that look alike, in the order of their first."""
    groups: dict[str, list[Photograph]] = {}
    for photograph in photographs:
        groups.setdefault(photograph.group or photograph.file, []).append(photograph)
    return list(groups.values())


def scan_dataset(folder: Path) -> Dataset:
    """List `folder/<class>/*`, or `folder/train/<class>/*` with `folder/test/<class>/*`.

    Includes subfolders of a class. Hidden and empty folders are not classes; files beside train/
    and test/ are skipped. Raises DatasetError if there are fewer than two classes, if one has a
    name that no label can have, or if train/ and test/ do not have the same ones.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder}: not a folder; expected one folder of photographs a class")
    roots = _find_roots(folder)
    parts = {part: _list_classes(root) for part, root in roots.items()}
    labels = _collect_labels(folder, parts)
    files = [
        (file, Photograph(_make_relative(file, folder), label, part))
        for part, classes in parts.items()
        for label, name in enumerate(labels)
        for file in classes.get(name, ())
    ]
    usable = (photograph for file, photograph in files if _is_usable(file))
    photographs = sorted(usable, key=lambda photograph: (photograph.label, photograph.file))
    folders = ((part, child) for part, root in roots.items() for child in _list_folders(root))
    empty = [child for part, child in folders if child.name not in parts[part]]
    loose = sorted(file for root in roots.values() for file in _list_loose_files(root))
    others = [file for child in empty for file in sorted(find_files(child, strict=True))]
    others += [file for file, _ in files if not _is_usable(file)]
    reasons = dict.fromkeys(loose, OUTSIDE_CLASSES) | dict.fromkeys(others, NOT_AN_IMAGE)
    ignored = {_make_relative(file, folder): reason for file, reason in reasons.items()}
    no_classes = _sort_relative(empty, folder), _sort_relative(_find_hidden(folder), folder)
    return Dataset(folder, labels, tuple(photographs), ignored, *no_classes)


def _find_roots(folder: Path) -> dict[str, Path]:
    """The folders that hold the class folders, by part: train and test, or one without a part."""
    if (folder / TRAIN).is_dir() and (folder / TEST).is_dir():
        return {TRAIN: folder / TRAIN, TEST: folder / TEST}
    _check_no_half_split(folder)
    return {"": folder}


def _find_hidden(folder: Path) -> Iterator[Path]:
    """Hidden folders at any depth."""
    for root, names, _ in os.walk(folder):
        yield from (Path(root, name) for name in names if name.startswith("."))


def _list_classes(folder: Path) -> dict[str, list[Path]]:
    """The folders that hold images, each with every file in it."""
    classes = {}
    for child in _list_folders(folder):
        files = sorted(find_files(child, strict=True))
        if any(map(_is_usable, files)):
            classes[child.name] = files
    return classes


def _list_folders(folder: Path) -> list[Path]:
    return [child for child in sorted(folder.iterdir()) if child.is_dir() and child.name[0] != "."]


def _is_usable(file: Path) -> bool:
    """True for an image by its extension whose name is printable: lists and logs must name it."""
    return is_image(file) and file.name.isprintable()


def _list_loose_files(folder: Path) -> list[Path]:
    """Files beside the class folders, which belong to no class."""
    return [child for child in folder.iterdir() if child.is_file() and child.name[0] != "."]


def _make_relative(file: Path, folder: Path) -> str:
    return file.relative_to(folder).as_posix()


def _sort_relative(paths: Iterable[Path], folder: Path) -> tuple[str, ...]:
    return tuple(sorted(_make_relative(path, folder) for path in paths))


def _check_no_half_split(folder: Path) -> None:
    """Refuse a folder named train or test that holds only folders: it is not a class."""
    for part in (TRAIN, TEST):
        if (folder / part).is_dir() and not _list_loose_files(folder / part):
            raise DatasetError(
                f"{folder}: {part}/ holds folders; expected {TRAIN}/ and {TEST}/ with the same "
                "classes in both, or one folder a class and nothing else. "
                "Rename your folders, or name one of them"
            )


def _collect_labels(folder: Path, parts: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """The names of the classes, sorted. Raises DatasetError."""
    if TEST in parts:
        _check_same_classes(folder, parts)
    labels = tuple(sorted({name for classes in parts.values() for name in classes}))
    for name in labels:
        _check_name(folder, name)
    _check_distinct(folder, labels)
    if len(labels) >= 2:
        return labels
    count = f"one class, {labels[0]!r}" if labels else "no class"
    inner = [child.name for child in folder.iterdir() if child.is_dir()]
    hint = f" Did you mean {folder / inner[0]}?" if len(inner) == 1 else ""
    raise DatasetError(
        f"{folder}: {count} found, expected at least two folders of photographs, one a class.{hint}"
    )


def _check_name(folder: Path, name: str) -> None:
    if _simplify(name).casefold() == UNKNOWN:
        raise DatasetError(
            f"{folder}: a class folder is called {name.strip()}, which is the answer for "
            f"pictures of none of the classes. Move it out of {folder} and train with --unknown "
            "FOLDER, or give it another name if it is a class of its own, for example 'empty'"
        )
    if len(name) > LONGEST_LABEL:
        raise DatasetError(
            f"{folder}: the name of the class folder {name[:40]}... has {len(name)} characters, "
            f"expected at most {LONGEST_LABEL}. Rename it"
        )


def _check_distinct(folder: Path, labels: Iterable[str]) -> None:
    """Refuse two names that nobody can tell apart."""
    simple: dict[str, str] = {}
    for name in labels:
        if (other := simple.setdefault(_simplify(name), name)) != name:
            raise DatasetError(
                f"{folder}: the class folders {other!a} and {name!a} have names that "
                "look the same. Rename one of them, or put their pictures together"
            )


def _simplify(name: str) -> str:
    """A name as it looks: without blanks around it, and accents in one form."""
    return unicodedata.normalize("NFC", name).strip()


def _check_same_classes(folder: Path, parts: Mapping[str, Iterable[str]]) -> None:
    for here, there in ((TEST, TRAIN), (TRAIN, TEST)):
        if missing := set(parts[here]) - set(parts[there]):
            raise DatasetError(
                f"{folder}: {', '.join(sorted(missing))} is in {here}/ but not in {there}/; "
                "expected the same classes in both"
            )
