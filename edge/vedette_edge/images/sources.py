"""Find and read the pictures that a command names: files, folders, glob patterns and URLs."""

import glob
from collections.abc import Iterator, Sequence
from pathlib import Path

from vedette_edge.errors import ImageError, join_names
from vedette_edge.files import read_bounded
from vedette_edge.images.discovery import find_files, is_image


def is_url(name: str) -> bool:
    """True for `s3://bucket/key` and the like, false for a path."""
    return "://" in name


def read_source(name: str, folder: str = "") -> bytes:
    """Read a picture by its URL, or by its path, which may be relative to a folder.

    Raises OSError if it cannot be read, and RemoteError if its server fails.
    """
    if not is_url(name):
        return read_bounded(Path(folder, name))
    from vedette_edge.images import remote  # imports an optional package

    return remote.read_file(name)


def require_picture(name: str) -> None:
    """Raise ImageError for a URL that looks like a folder or a pattern, and is no picture.

    Raises OSError and RemoteError if it cannot be read.
    """
    if is_url(name):
        from vedette_edge.images import remote_lists  # imports an optional package

        remote_lists.require_image(name)


def find_pictures(arguments: Sequence[str]) -> Iterator[str]:
    """Yield the pictures that arguments name, in their order, those of a folder by their paths.

    Takes a file that is named outright whatever its extension. Raises ImageError, at the end, that
    names the arguments that match nothing; and OSError or RemoteError for a folder on a server.
    """
    missing = []
    for argument in arguments:
        is_empty = True
        for picture in _expand(argument):
            is_empty = False
            yield picture
        if is_empty:
            missing.append(argument)
    if missing:
        raise ImageError(
            f"{join_names(missing)}: no picture found; expected a picture, a folder of pictures "
            "or a pattern such as 'photos/*.jpg'"
        )


def _expand(argument: str) -> Iterator[str]:
    if not is_url(argument):
        return map(str, _expand_path(argument))
    from vedette_edge.images import remote_lists  # imports an optional package

    return remote_lists.find_images(argument)


def _expand_path(argument: str) -> Iterator[Path]:
    path = Path(argument)
    if argument and path.exists():
        return filter(is_image, find_files(path)) if path.is_dir() else iter([path])
    # Path.glob takes no absolute pattern.
    named = sorted(map(Path, glob.glob(argument, recursive=True)))  # noqa: PTH207
    return (match for match in named if match.is_file())
