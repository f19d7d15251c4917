"""Pictures in buckets and on web servers, through fsspec: the extra `vedette-edge[remote]`.

Without it, importing this raises SettingError. A picture is read as a stream into memory.
"""

import errno
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from html.parser import HTMLParser
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urldefrag, urljoin, urlsplit

from vedette_edge.errors import RemoteError, SettingError
from vedette_edge.files import MAX_BYTES, PIECE_BYTES
from vedette_edge.images.discovery import is_image

INSTALL = "pip install 'vedette-edge[remote]'"
try:
    import aiohttp
    import fsspec
except ImportError as error:
    raise SettingError(f"a picture's URL needs the package fsspec: {INSTALL}") from error

SCHEMES = ("s3", "http", "https")
PAUSES_S = (1.0, 4.0)  # before further tries to read a picture
TIMEOUT = aiohttp.ClientTimeout(total=300, sock_connect=20, sock_read=30)  # of a web server, in s
LARGEST_PAGE = 64 << 20  # bytes of a web server's list of a folder
DEEPEST = 32  # folders in folders: a web server's may have a circle
MISSING = (404, 410)
# Answers of a server that works, but not for this picture.
BROKEN = (aiohttp.ClientPayloadError, aiohttp.TooManyRedirects, aiohttp.InvalidURL)


def check_url(url: str) -> None:
    """Raise SettingError for a URL of a scheme that is not read, or with a password."""
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES:
        raise SettingError(f"{url}: expected a path, or a URL that begins with s3:// or https://")
    if parts.password:
        host = f"{parts.scheme}://{parts.hostname}"
        raise SettingError(f"{host}: a password in a URL shows in the results; omit it")


def read_file(url: str) -> bytes:
    """Read a file. Raises OSError if it is not there or too large, and RemoteError.

    Tries a few times before it takes a server's failure for one.
    """
    for pause_s in PAUSES_S:
        try:
            return _read_bounded(url, MAX_BYTES)
        except RemoteError:
            time.sleep(pause_s)
    return _read_bounded(url, MAX_BYTES)


def find_images(url: str) -> Iterator[str]:
    """Yield the images of a folder and its subfolders: its URL ends in /, or is a bucket's.

    The URL of anything else is that of an image. Those of a folder are sorted by their names, those
    of a bucket by their whole keys, without hidden ones. Raises OSError if there is no such folder,
    and RemoteError.
    """
    check_url(url)
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    if not url.endswith("/") and (prefix or not url.startswith("s3://")):
        return iter([url])
    keys = _list_bucket(bucket, prefix) if url.startswith("s3://") else _walk(url, DEEPEST)
    return (name for name in keys if _is_visible(name.removeprefix(url)))


def _is_visible(name: str) -> bool:
    path = PurePosixPath(name)
    return is_image(path) and not any(part.startswith(".") for part in path.parts)


def _list_bucket(bucket: str, prefix: str) -> Iterator[str]:
    """Yield the URLs of all keys with a prefix, a page of a thousand at a time."""
    more = dict[str, str]()
    while True:
        with _translate_errors(f"s3://{bucket}/{prefix}"):
            call = _open_system("s3").call_s3
            page = call("list_objects_v2", Bucket=bucket, Prefix=prefix, **more)
        yield from (f"s3://{bucket}/{one['Key']}" for one in page.get("Contents", ()))
        if not page.get("IsTruncated"):
            return
        more = {"ContinuationToken": page["NextContinuationToken"]}


def _walk(folder: str, depth: int) -> Iterator[str]:
    if not depth:
        raise RemoteError(f"{folder}: more than {DEEPEST} folders in folders, perhaps a circle")
    parser = _LinkParser(folder)
    parser.feed(_read_bounded(folder, LARGEST_PAGE).decode(errors="replace"))
    for name in sorted(parser.entries, key=lambda name: name.rstrip("/")):
        if name.endswith("/"):
            yield from _walk(name, depth - 1)
        else:
            yield name


class _LinkParser(HTMLParser):
    """The links of a web server's list of a folder to what lies in it."""

    def __init__(self, folder: str) -> None:
        super().__init__()
        self.folder, self.entries = folder, set[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take the link of an anchor."""
        link = dict(attrs).get("href") if tag == "a" else None
        try:
            url = urldefrag(urljoin(self.folder, link or "")).url
        except ValueError:  # no URL
            return
        name = url.removeprefix(self.folder) if url.startswith(self.folder) else ""
        if name and "?" not in name and "/" not in name[:-1]:
            self.entries.add(url)


def _read_bounded(url: str, most_bytes: int) -> bytes:
    scheme = urlsplit(url).scheme
    # With any size, a web server is asked once: not for the size first, whose failure would
    # always be "not found". The stream is read to its end, or to the limit.
    options = {} if scheme == "s3" else {"block_size": 0, "size": 1}
    content = bytearray()
    with _translate_errors(url), _open_system(scheme).open(url, "rb", **options) as file:
        while len(content) <= most_bytes and (piece := file.read(PIECE_BYTES)):
            content += piece
    if len(content) > most_bytes:
        raise OSError(errno.EFBIG, f"larger than {most_bytes >> 20} MiB", url)
    return bytes(content)


@cache
def _open_system(scheme: str) -> Any:
    """The file system of a scheme."""
    options = {} if scheme == "s3" else {"client_kwargs": {"timeout": TIMEOUT}}
    return fsspec.filesystem(scheme, use_listings_cache=False, **options)


@contextmanager
def _translate_errors(url: str) -> Iterator[None]:
    """Raise what a file system of fsspec raises: as OSError of one file, or as RemoteError."""
    try:
        yield
    except FileNotFoundError as error:
        raise FileNotFoundError(errno.ENOENT, "there is no such picture", url) from error
    except BROKEN as error:
        reason = f"the answer of the server is broken ({type(error).__name__})"
        raise OSError(errno.EIO, reason, url) from error
    except ImportError as error:
        raise SettingError(f"{url}: {error}: {INSTALL}") from error
    except Exception as error:  # each library has errors of its own
        if getattr(error, "status", None) in MISSING:
            raise FileNotFoundError(errno.ENOENT, "there is no such picture", url) from error
        reason = str(error) or type(error).__name__
        raise RemoteError(f"{url}: {reason}") from error
