"""Find the image files in folders."""

import glob
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from vedette_edge.errors import ImageError, join_names

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


def is_image(path: Path) -> bool:
    """True if a file has an image's extension and is not hidden; its content is not read."""
    return path.suffix.lower() in EXTENSIONS and not path.name.startswith(".")


def find_images(folder: Path, *, strict: bool = False) -> list[Path]:
    """List the images in a folder and its subfolders, sorted by path, as `find_files` does."""
    return sorted(path for path in find_files(folder, strict=strict) if is_image(path))


def find_files(folder: Path, *, strict: bool = False) -> Iterator[Path]:
    """Yield the files in a folder and its subfolders, in no order, without hidden ones.

    Follows links, and enters a circle of links once. Raises OSError if the folder is unreadable.
    Passes over subfolders that may not be read, or have vanished meanwhile, unless `strict`.
    """

    def stop(error: OSError) -> None:
        passes = isinstance(error, (PermissionError, FileNotFoundError, NotADirectoryError))
        if strict or not passes or error.filename == os.fspath(folder):
            raise error

    visited: set[str] = set()
    for root, folders, names in os.walk(folder, onerror=stop, followlinks=True):
        if (real := os.path.realpath(root)) in visited:
            folders.clear()
            continue
        visited.add(real)
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(root, name) for name in names if not name.startswith("."))


def expand_paths(arguments: Iterable[str]) -> list[Path]:
    """List the images that files, folders and glob patterns name, in the order of the arguments.

    Takes a file that is named outright whatever its extension. Raises ImageError that names the
    arguments that match nothing.
    """
    expanded = [(argument, _expand_path(argument)) for argument in arguments]
    if missing := [argument for argument, paths in expanded if not paths]:
        raise ImageError(
            f"{join_names(missing)}: no picture found; expected a picture, a folder of pictures "
            "or a pattern such as 'photos/*.jpg'. Nothing was classified"
        )
    return [path for _, paths in expanded for path in paths]


def _expand_path(argument: str) -> list[Path]:
    path = Path(argument)
    if argument and path.exists():
        return find_images(path) if path.is_dir() else [path]
    # Path.glob takes no absolute pattern.
    named = sorted(map(Path, glob.glob(argument, recursive=True)))  # noqa: PTH207
    return [match for match in named if match.is_file()]
