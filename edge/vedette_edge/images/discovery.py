"""Images in folders."""

import glob
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from vedette_edge.errors import ImageError

EXTENSIONS: Mapping[str, str] = {  # in small letters -> what should be in the file
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
    """Whether the file's ending is a picture's. What is in it, decoding tells."""
    return path.suffix.lower() in EXTENSIONS and not path.name.startswith(".")


def find_images(folder: Path) -> list[Path]:
    """Every picture in a folder and the folders in it, sorted by path; hidden ones left out."""
    return sorted(path for path in find_files(folder) if is_image(path))


def find_files(folder: Path) -> Iterator[Path]:
    """Every file in a folder and the folders in it that is not hidden, in no order.

    Links are followed, in a circle once. Raises OSError for a folder that cannot be read.
    """
    seen: set[str] = set()
    for root, folders, names in os.walk(folder, onerror=_raise, followlinks=True):
        if (real := os.path.realpath(root)) in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(root, name) for name in names if not name.startswith("."))


def _raise(error: OSError) -> None:
    raise error


def expand_paths(arguments: Iterable[str]) -> list[Path]:
    """The pictures that files, folders and glob patterns name, in the order of the arguments.

    A file named outright is taken whatever its ending. Raises PictureError for an argument
    that names nothing.
    """
    found: list[Path] = []
    for argument in arguments:
        path = Path(argument)
        if argument and path.exists():
            named = find_images(path) if path.is_dir() else [path]
        else:
            # Path.glob takes no pattern that is absolute
            matches = sorted(map(Path, glob.glob(argument, recursive=True)))  # noqa: PTH207
            named = [match for match in matches if match.is_file()]
        if not named:
            raise ImageError(
                f"{argument}: no picture there; expected a picture, a folder of pictures "
                "or a pattern such as 'photos/*.jpg'"
            )
        found += named
    return found
