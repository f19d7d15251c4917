"""Find the image files in folders."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath

EXTENSIONS: Mapping[str, str] = {  # in lower case -> format that the file should have
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif"), "JPEG"),
    **dict.fromkeys((".bmp", ".dib"), "BMP"),
    **dict.fromkeys((".tif", ".tiff"), "TIFF"),
    ".png": "PNG",
    ".webp": "WebP",
    ".gif": "GIF",
    **dict.fromkeys((".heic", ".heif", ".hif"), "HEIC"),
    ".avif": "AVIF",
}


def is_image(path: PurePath) -> bool:
    """True if a file has an image's extension and is not hidden; its content is not read."""
    return path.suffix.lower() in EXTENSIONS and not path.name.startswith(".")


def find_images(folder: Path, *, strict: bool = False) -> list[Path]:
    """List the images in a folder and its subfolders, sorted by path, as `find_files` does."""
    return list(filter(is_image, find_files(folder, strict=strict)))


def find_files(folder: Path, *, strict: bool = False) -> Iterator[Path]:
    """Yield the files in a folder and its subfolders, sorted by path, without hidden ones.

    Follows links, and enters a circle of links once. Raises OSError if the folder is unreadable.
    Passes over subfolders that may not be read, or have vanished meanwhile, unless `strict`.
    """
    top = os.fspath(folder)
    visited, open_folders = {os.path.realpath(top)}, [(top, _list_entries(top, strict=True))]
    while open_folders:
        outer, entries = open_folders[-1]
        if not entries:
            open_folders.pop()
            continue
        name, is_folder = entries.pop()
        path = os.path.join(outer, name)  # noqa: PTH118  a million of them
        if not is_folder:
            yield Path(path)
        elif (real := os.path.realpath(path)) not in visited:
            visited.add(real)
            open_folders.append((path, _list_entries(path, strict=strict)))


def _list_entries(folder: str, *, strict: bool) -> list[tuple[str, bool]]:
    """List the names in a folder, and whether they are folders, the last one first."""
    try:
        with os.scandir(folder) as entries:
            visible = [one for one in entries if not one.name.startswith(".")]
            return sorted(((one.name, _is_folder(one)) for one in visible), reverse=True)
    except (PermissionError, FileNotFoundError, NotADirectoryError):
        if strict:
            raise
        return []


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a circle of links
        return False
