"""The layout of a data folder: class folders, or folders of parts that hold the class folders."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from vedette_edge.errors import SettingError, join_names
from vedette_edge.images.discovery import is_image
from vedette_train.data.remote_folder import DataPath
from vedette_train.errors import DatasetError

TRAIN, VALIDATION, TEST = "train", "validation", "test"
PARTS = (TRAIN, VALIDATION, TEST)

_NAMES = r"(?:(?P<train>train(?:ing)?)|(?P<validation>val(?:id(?:ation)?)?)|(?P<test>test(?:ing)?))"
_PART = re.compile(rf"{_NAMES}(?:[-_ ]?(?:set|data|images))?", re.IGNORECASE)
_LIKE_PART = re.compile(rf"(?<![a-z]){_NAMES}(?![a-z])", re.IGNORECASE)


def find_roots(folder: DataPath) -> dict[str, DataPath]:
    """The folders that hold the class folders, by part, or `folder` alone, without a part.

    The folder of a part is called train, training or training_set; val, valid or validation;
    test, testing or test_set, in any case. Raises DatasetError if two folders are of one part,
    or if there are parts that cannot be told from classes.
    """
    by_part: dict[str, list[DataPath]] = {}
    for child in list_folders(folder):
        if match := _PART.fullmatch(child.name):
            by_part.setdefault(match.lastgroup or "", []).append(child)
    if TRAIN not in by_part or len(by_part) == 1:
        _check_no_parts(folder)
        return {"": folder}
    for part, folders in by_part.items():
        if len(folders) > 1:
            raise DatasetError(
                f"{folder}: {_name_folders(folders)} are both for the part {part}, expected one "
                "folder of it. Put them together, or move one of them away"
            )
    _check_no_other_parts(folder, [child for folders in by_part.values() for child in folders])
    return {part: by_part[part][0] for part in PARTS if part in by_part}


def check_outside(photographs: Path, *paths: Path) -> None:
    """Raise SettingError for a path in a folder of photographs, or the folder itself.

    What lies there would become a class, or photographs of one.
    """
    for path in paths:
        if is_within(path, photographs):
            raise SettingError(
                f"{path} would lie among the photographs in {photographs}; choose a path outside "
                "of this folder (for a run: --out, or make: RUN=)"
            )


def is_within(path: Path, folder: Path) -> bool:
    """True for a path in a folder, or the folder itself."""
    return resolve_path(path).is_relative_to(resolve_path(folder))


def resolve_path(path: Path) -> Path:
    """The absolute path without links; links in a circle stay, for the system to refuse.

    Raises SettingError if the working directory is gone.
    """
    try:
        return Path(os.path.realpath(path))
    except FileNotFoundError as error:
        raise SettingError(
            f"{path}: the current folder has been removed. Change to another one with cd"
        ) from error


def list_folders(folder: DataPath) -> list[DataPath]:
    """The folders in a folder, sorted, but for hidden ones and links that lead in a circle."""
    children = (child for child in folder.iterdir() if not child.name.startswith("."))
    folders = (child for child in children if child.is_dir() and not is_circle(child))
    return sorted(folders, key=lambda child: child.name)


def is_circle(path: DataPath) -> bool:
    """True for a link to a folder that holds the link."""
    if not isinstance(path, Path) or not path.is_symlink():
        return False
    return path.parent.resolve().is_relative_to(path.resolve())


def has_image_name(path: DataPath) -> bool:
    """True if a path has an image's extension and is not hidden."""
    return is_image(path if isinstance(path, Path) else PurePosixPath(path.name))


def _check_no_other_parts(folder: DataPath, parts: Sequence[DataPath]) -> None:
    """Refuse a folder that is called like a part, and holds folders, beside those of the parts."""
    others = [child for child in list_folders(folder) if child not in parts]
    like = [child for child in others if _LIKE_PART.search(child.name)]
    if like := [child for child in like if _holds_only_folders(child)]:
        raise DatasetError(
            f"{folder}: {_name_folders(like)} beside {_name_folders(parts)}, expected one folder a "
            f"part. Put the pictures into one of these, or move {like[0].name}/ out of {folder}"
        )


def _name_folders(folders: Iterable[DataPath]) -> str:
    return join_names(f"{child.name}/" for child in folders)


def _check_no_parts(folder: DataPath) -> None:
    """Refuse folders of parts that would be taken for classes, or that lie within classes."""
    nested = [child for child in list_folders(folder) if _holds_only_folders(child)]
    for child in nested:
        inner = [one for one in list_folders(child) if _PART.fullmatch(one.name)]
        if len(inner) > 1 and not any(map(_holds_only_folders, inner)):
            raise DatasetError(
                f"{folder}: {child.name}/ holds {_name_folders(inner)}, expected the classes in "
                f"the parts, as {TRAIN}/{child.name}/ and {TEST}/{child.name}/. Move or rename them"
            )
    parts = [child for child in nested if _PART.fullmatch(child.name)]
    if parts := parts or list(_find_like(nested)) or _find_same(folder, nested):
        raise DatasetError(
            f"{folder}: {_name_folders(parts)} {'hold' if len(parts) > 1 else 'holds'} folders, as "
            f"parts of a data set do; expected {TRAIN}/ and {TEST}/, and perhaps {VALIDATION}/, "
            "with the same classes in each, or one folder of photographs a class. "
            f"Rename your folders, or name one of them, for example "
            f"{next(filter(_is_like_train, parts), parts[0])}; if these are the classes, put "
            "pictures directly into them"
        )


def _holds_only_folders(folder: DataPath) -> bool:
    """True for a folder of folders without images beside them."""
    return bool(list_folders(folder)) and not any(map(has_image_name, folder.iterdir()))


def _find_like(folders: Sequence[DataPath]) -> Iterator[DataPath]:
    """Folders that are called after two parts or more, among other words: seg_train, seg_test."""
    matches = {child: _LIKE_PART.search(child.name) for child in folders}
    parts = {match.lastgroup for match in matches.values() if match}
    yield from (child for child, match in matches.items() if match and len(parts) > 1)


def _find_same(folder: DataPath, nested: list[DataPath]) -> list[DataPath]:
    """All folders if they hold no images, but the same folders: trn/hen, trn/fox, tst/hen, tst/fox.

    A single folder in each is none of a split, which has two classes or more.
    """
    inner = {tuple(one.name for one in list_folders(child)) for child in nested}
    others = (child for child in list_folders(folder) if child not in nested)
    classes = any(has_image_name(file) for child in others for file in child.iterdir())
    same = len(nested) > 1 and len(inner) == 1 and len(inner.pop()) > 1
    return nested if same and not classes else []


def _is_like_train(folder: DataPath) -> bool:
    match = _LIKE_PART.search(folder.name)
    return match is not None and match.lastgroup == TRAIN
