"""Pictures in buckets and on web servers, through fsspec: the extra `vedette-edge[remote]`.

Without it, importing this raises SettingError. A picture is read as a stream into memory.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import Any

from vedette_edge.errors import RemoteError, SettingError
from vedette_edge.files import MAX_BYTES, PIECE_BYTES
from vedette_edge.images.discovery import is_image

INSTALL = "pip install 'vedette-edge[remote]'"
try:
    import fsspec
except ImportError as error:
    raise SettingError(f"a picture's URL needs the package fsspec: {INSTALL}") from error

LARGEST_PAGE = 64 << 20  # bytes of a web server's list of a folder
DEEPEST = 32  # folders in folders: a web server's may have a circle
REFUSALS = (401, 403)


def read_file(url: str) -> bytes:
    """Read a file. Raises OSError if it is not there, forbidden or too large, and RemoteError."""
    return _read_bounded(url, MAX_BYTES)


def find_images(url: str) -> Iterator[str]:
    """Yield the images that a URL names: of one image, of a folder, or with `*` of a pattern.

    Those of a folder and its subfolders are sorted by their names, without hidden ones. Raises
    OSError if there is no such folder, or it may not be read, and RemoteError.
    """
    with _translate_errors(url):
        system, path = _open_system(url)
        if "*" in url:
            matches = sorted(map(system.unstrip_protocol, system.glob(path)))
            return filter(_is_image, matches)
    if is_image(PurePosixPath(url)):
        return iter([url])
    return _walk(system, url, DEEPEST)


def _walk(system: Any, folder: str, depth: int) -> Iterator[str]:
    if not depth:
        raise RemoteError(f"{folder}: more than {DEEPEST} folders in folders, perhaps a circle")
    with _translate_errors(folder):
        if folder.startswith("http"):
            _read_bounded(folder, LARGEST_PAGE)  # fsspec reads it whole
        entries = system.ls(folder, detail=True)
        kinds = {system.unstrip_protocol(one["name"]): one["type"] for one in entries}
    for name, kind in sorted((name.rstrip("/"), kind) for name, kind in kinds.items()):
        if kind == "directory":
            yield from _walk(system, f"{name}/", depth - 1)
        elif _is_image(name):
            yield name


def _is_image(name: str) -> bool:
    return is_image(PurePosixPath(name))


def _read_bounded(url: str, most_bytes: int) -> bytes:
    with _translate_errors(url):
        system, path = _open_system(url)
        # With any size, a web server is asked once: not for the size first, whose failure would
        # always be "not found". The stream is read to its end, or to the limit.
        options = {"block_size": 0, "size": 1} if url.startswith("http") else {}
        with system.open(path, "rb", **options) as file:
            content = bytearray()
            while len(content) <= most_bytes and (piece := file.read(PIECE_BYTES)):
                content += piece
    if len(content) > most_bytes:
        raise OSError(errno.EFBIG, f"larger than {most_bytes >> 20} MiB", url)
    return bytes(content)


def _open_system(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the path in it."""
    system, path = fsspec.core.url_to_fs(url, use_listings_cache=False)
    return system, path


@contextmanager
def _translate_errors(url: str) -> Iterator[None]:
    """Raise what a file system of fsspec raises, as OSError of one file, or as RemoteError."""
    try:
        yield
    except FileNotFoundError as error:
        raise FileNotFoundError(errno.ENOENT, "there is no such picture", url) from error
    except PermissionError as error:
        raise PermissionError(errno.EACCES, "permission denied", url) from error
    except ImportError as error:
        raise SettingError(f"{url}: {error}: {INSTALL}") from error
    except Exception as error:  # each library has errors of its own
        if getattr(error, "status", None) in REFUSALS:
            raise PermissionError(errno.EACCES, "permission denied", url) from error
        reason = str(error) or type(error).__name__
        raise RemoteError(f"{url}: {reason}") from error
