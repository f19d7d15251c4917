"""The images of a data folder and their classes, before any file is opened."""

import itertools
import os
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from vedette_edge.errors import join_names
from vedette_edge.model.contract import LONGEST_LABEL, UNKNOWN
from vedette_train.data.layout import find_roots, has_image_name, is_circle, list_folders
from vedette_train.data.remote_folder import (
    DataFolder,
    DataPath,
    RemoteFolder,
    RemotePath,
    build_tree,
)
from vedette_train.errors import DatasetError

if TYPE_CHECKING:
    from vedette_edge.images.remote_lists import RemoteFile

NO_FOLDER = "not a folder; expected one folder of photographs a class"
OUTSIDE_CLASSES = "not in a class folder"
FOLDER_LINK = "a link to a folder, which is not followed; put the pictures themselves there"
BROKEN_LINK = "a link to a file or folder that does not exist"
LINKS = (FOLDER_LINK, BROKEN_LINK)
NOT_AN_IMAGE = "not a picture by its name; expected JPEG, PNG, BMP, WebP, GIF, TIFF, HEIC or AVIF"


@dataclass(frozen=True, slots=True)
class Photograph:
    """A file that should be an image of a class."""

    file: str  # relative to the data folder, with forward slashes
    label: int  # its class, as an index into the labels
    part: str = ""  # of the folders' split, if there is one, then that of the run; empty: none
    sha256: str = ""  # of its content; empty if it is unread or not readable
    group: str = ""  # the first file that looks like it, perhaps itself; empty: not compared yet


@dataclass(frozen=True, slots=True)
class Dataset:
    """The content of a data folder."""

    folder: DataFolder
    labels: tuple[str, ...]  # the classes' names, sorted
    photographs: tuple[Photograph, ...]  # by class, then by name
    ignored: dict[str, str]  # files that are not photographs of a class -> reason
    empty: tuple[str, ...] = ()  # folders without images, which are not classes
    hidden: tuple[str, ...] = ()  # folders that are skipped
    listed: "Mapping[str, RemoteFile]" = field(default_factory=dict)  # all files of a remote folder


def group_alike(photographs: Iterable[Photograph]) -> list[list[Photograph]]:
    """Groups of photographs that look alike, in the order of their first."""
    groups: dict[str, list[Photograph]] = {}
    for photograph in photographs:
        groups.setdefault(photograph.group or photograph.file, []).append(photograph)
    return list(groups.values())


def scan_dataset(folder: DataFolder) -> Dataset:
    """List `folder/<class>/*`, or `folder/<part>/<class>/*`; find_roots names the parts.

    Includes subfolders of a class. Hidden and empty folders are not classes. Lists the files that
    belong to no class, with a reason. Raises DatasetError if there are fewer than two classes, if
    one has a name that no label can have, or if the parts do not have the same ones; and
    RemoteError if the server of a remote folder fails.
    """
    if isinstance(folder, RemoteFolder):
        return _scan_remote(folder)
    if not folder.is_dir():
        raise DatasetError(f"{folder}: {NO_FOLDER}")
    return _sort_files(folder, folder)


def _scan_remote(folder: RemoteFolder) -> Dataset:
    try:
        listed = {file.name: file for file in folder.list_files()}
    except FileNotFoundError as error:
        raise DatasetError(f"{error.filename or folder}: {NO_FOLDER}") from error
    except OSError as error:
        raise DatasetError(
            f"{error.filename or folder}: {error.strerror or error}; expected the list of a folder"
        ) from error
    dataset = _sort_files(folder, build_tree(folder, listed))
    return replace(dataset, listed=listed)


def _sort_files(place: DataFolder, folder: DataPath) -> Dataset:
    """Sort the files of a folder, and its folders, into those of a class and others."""
    roots = find_roots(folder)
    parts = {part: _list_classes(root) for part, root in roots.items()}
    labels = _collect_labels(folder, roots, parts)
    files = [
        (file, Photograph(_make_relative(file, folder), label, part))
        for part, classes in parts.items()
        for label, name in enumerate(labels)
        for file in classes.get(name, ())
    ]
    usable = (photograph for file, photograph in files if _is_usable(file))
    photographs = sorted(usable, key=lambda photograph: (photograph.label, photograph.file))
    folders = ((part, child) for part, root in roots.items() for child in list_folders(root))
    empty = [child for part, child in folders if child.name not in parts[part]]
    loose = _list_outside_classes(folder, roots.values())
    others = [file for child in empty for file in _sort_paths(_find_files(child))]
    others += [file for file, _ in files if not _is_usable(file)]
    reasons = dict.fromkeys(loose, OUTSIDE_CLASSES) | dict.fromkeys(others, NOT_AN_IMAGE)
    reasons = {file: _explain_link(file) or reason for file, reason in reasons.items()}
    ignored = {_make_relative(file, folder): reason for file, reason in reasons.items()}
    no_classes = _sort_relative(empty, folder), _sort_relative(_find_hidden(folder), folder)
    return Dataset(place, labels, tuple(photographs), ignored, *no_classes)


def _find_hidden(folder: DataPath) -> Iterator[DataPath]:
    """Hidden folders at any depth."""
    if isinstance(folder, RemotePath):
        for child in filter(RemotePath.is_dir, folder.iterdir()):
            if child.name.startswith("."):
                yield child
            yield from _find_hidden(child)
        return
    for root, names, _ in os.walk(folder):
        yield from (Path(root, name) for name in names if name.startswith("."))


def _list_classes(folder: DataPath) -> dict[str, list[DataPath]]:
    """The folders that hold images, each with everything in it."""
    classes = {}
    for child in list_folders(folder):
        files = _sort_paths(_find_files(child))
        if any(map(_is_usable, files)):
            classes[child.name] = files
    return classes


def _find_files(folder: DataPath) -> Iterator[DataPath]:
    """Files in a folder and its subfolders, and links to folders; none that are hidden."""
    if isinstance(folder, RemotePath):
        for child in folder.iterdir():
            if not child.name.startswith("."):
                yield from _find_files(child) if child.is_dir() else (child,)
        return

    def stop(error: OSError) -> None:
        raise error

    for root, folders, names in os.walk(folder, onerror=stop):  # enters no links
        folders[:] = [name for name in folders if name[0] != "."]
        links = [name for name in folders if Path(root, name).is_symlink()]
        yield from (Path(root, name) for name in (*names, *links) if name[0] != ".")


def _explain_link(path: DataPath) -> str:
    """The reason why a link is not used; empty for anything else."""
    if path.is_dir():
        return FOLDER_LINK
    return "" if path.exists() else BROKEN_LINK


def _is_usable(file: DataPath) -> bool:
    """True for an image by its extension, but for a folder of such a name."""
    return has_image_name(file) and not file.is_dir()


def _list_loose(folder: DataPath) -> list[DataPath]:
    """Files in a folder itself, and links in it that lead nowhere or in a circle."""
    children = (child for child in folder.iterdir() if not child.name.startswith("."))
    return [child for child in children if not child.is_dir() or is_circle(child)]


def _list_outside_classes(folder: DataPath, roots: Collection[DataPath]) -> list[DataPath]:
    """Files and links beside the class folders, and those outside of the parts' folders."""
    loose = [child for root in roots for child in _list_loose(root)]
    if folder in roots:
        return _sort_paths(loose)
    others = (child for child in list_folders(folder) if child not in roots)
    files = (file for child in others for file in _find_files(child))
    return _sort_paths((*loose, *files, *_list_loose(folder)))


def _make_relative(file: DataPath, folder: DataPath) -> str:
    return "/".join(file.parts[len(folder.parts) :])


def _sort_paths(paths: Iterable[DataPath]) -> list[DataPath]:
    return sorted(paths, key=lambda path: path.parts)


def _sort_relative(paths: Iterable[DataPath], folder: DataPath) -> tuple[str, ...]:
    return tuple(sorted(_make_relative(path, folder) for path in paths))


def _collect_labels(
    folder: DataPath, roots: Mapping[str, DataPath], parts: Mapping[str, Iterable[str]]
) -> tuple[str, ...]:
    """The names of the classes, sorted. Raises DatasetError."""
    _check_same_classes(folder, roots, parts)
    labels = tuple(sorted({name for classes in parts.values() for name in classes}))
    for name in labels:
        _check_name(folder, name)
    _check_distinct(folder, labels)
    if len(labels) >= 2:
        return labels
    count = f"one class, {labels[0]!r}" if labels else "no class"
    raise DatasetError(
        f"{folder}: {count} found, expected at least two folders of photographs, one a class."
        f"{_describe_links(folder)}{_suggest_folder(folder)}"
    )


def _describe_links(folder: DataPath) -> str:
    """A sentence on a link that is not followed, or an empty string."""
    files = (file for child in list_folders(folder) for file in _find_files(child))
    link = next((file for file in files if _explain_link(file)), None)
    return f" {link} is {_explain_link(link)}." if link else ""


def _suggest_folder(folder: DataPath) -> str:
    """The end of a message: the only folder within a folder that has class folders itself."""
    likely = [child for child in list_folders(folder) if _has_classes(child)]
    return f" Did you mean {likely[0]}?" if len(likely) == 1 else ""


def _has_classes(folder: DataPath) -> bool:
    try:
        return find_roots(folder) != {"": folder} or len(_list_classes(folder)) >= 2
    except DatasetError:
        return False


def _check_name(folder: DataPath, name: str) -> None:
    if _simplify(name).casefold() == UNKNOWN:
        raise DatasetError(
            f"{folder}: a class folder is called {name.strip()}, which is the answer for "
            f"pictures of none of the classes. Move it out of {folder} and train with --unknown "
            "FOLDER, or give it another name if it is a class of its own, for example 'empty'"
        )
    if not name.isprintable() or not name.strip():
        raise DatasetError(
            f"{folder}: the class folder {name!a} has a name that cannot be a label, expected "
            "printable text in UTF-8 that is more than blanks. Rename it"
        )
    if len(name) > LONGEST_LABEL:
        raise DatasetError(
            f"{folder}: the name of the class folder {name[:40]}... has {len(name)} characters, "
            f"expected at most {LONGEST_LABEL}. Rename it"
        )


def _check_distinct(folder: DataPath, labels: Iterable[str]) -> None:
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


def _check_same_classes(
    folder: DataPath, roots: Mapping[str, DataPath], parts: Mapping[str, Iterable[str]]
) -> None:
    """Refuse a part without class folders, and one that lacks a class or has one of its own."""
    for part, root in roots.items():
        if part and not parts[part]:
            raise DatasetError(
                f"{root}: no class folders, expected the same ones as in the other parts. "
                f"If it holds pictures without labels, move {root.name}/ out of {folder}"
            )
    for here, there in itertools.permutations(roots, 2):
        if missing := set(parts[here]) - set(parts[there]):
            raise DatasetError(
                f"{folder}: {join_names(sorted(missing))} {'are' if len(missing) > 1 else 'is'} in "
                f"{roots[here].name}/ but not in "
                f"{roots[there].name}/; expected the same classes in both"
            )
