"""Pictures in buckets and on web servers, through fsspec: the extra `vedette-edge[remote]`.

Without it, importing this raises SettingError. A picture is read as a stream into memory.
"""

import errno
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import mktime_tz, parsedate_tz
from functools import cache, partial
from html.parser import HTMLParser
from itertools import islice
from pathlib import PurePosixPath
from typing import Any, TypeVar
from urllib.parse import quote, unquote, urldefrag, urljoin, urlsplit

from vedette_edge.errors import RemoteError, SettingError
from vedette_edge.files import MAX_BYTES, PIECE_BYTES
from vedette_edge.images.discovery import is_image

INSTALL = "pip install 'vedette-edge[remote]'"
try:
    import aiohttp
    import fsspec
    import fsspec.asyn
except ImportError as error:
    raise SettingError(f"a picture's URL needs the package fsspec: {INSTALL}") from error

SCHEMES = ("s3", "http", "https")
PAUSES_S = (1.0, 4.0)  # before further tries to read a picture
TIMEOUT = aiohttp.ClientTimeout(total=300, sock_connect=20, sock_read=30)  # of a web server, in s
LARGEST_PAGE = 64 << 20  # bytes of a web server's list of a folder
DEEPEST = 32  # folders in folders: a web server's may have a circle
REQUESTS = 16  # to a web server at once
MISSING = (404, 410)
BUSY = (429, *range(500, 600))  # answers of a server that may work later
Answer = TypeVar("Answer")
# Answers of a server that works, but not for this picture.
BROKEN = (aiohttp.ClientPayloadError, aiohttp.TooManyRedirects, aiohttp.InvalidURL)


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file in a folder on a server, or a folder, with what changes when its content does."""

    name: str  # in the folder, as people read it: without %20; that of a folder ends in /
    size: int = 0  # bytes; 0 if the server does not say
    changed_ns: int = 0  # since the epoch; 0 if the server does not say


def check_url(url: str) -> None:
    """Raise SettingError for a URL that is not read, or with a name or a password."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise SettingError(
            f"{url}: no URL ({error}); expected s3://bucket/folder/ or the like"
        ) from error
    if not url.startswith(tuple(f"{scheme}://" for scheme in SCHEMES)):
        raise SettingError(f"{url}: expected a path, or a URL that begins with s3:// or https://")
    if not parts.hostname:
        raise SettingError(f"{url}: expected a bucket or a server after {parts.scheme}://")
    if "@" in parts.netloc:
        host = f"{parts.scheme}://{parts.hostname}"
        raise SettingError(f"{host}: a name or a password in a URL shows in the results; omit it")


def check_folder_url(url: str) -> str:
    """Check the URL of a folder; return it with its final slash. Raises SettingError."""
    check_url(url)
    place = url if url.startswith("s3://") else url.partition("?")[0].partition("#")[0]
    if place != url:  # of a signed URL, perhaps
        raise SettingError(f"{place}: a folder's URL has no ? and no #; omit what follows them")
    return url if url.endswith("/") else f"{url}/"


def read_file(url: str) -> bytes:
    """Read a file. Raises OSError if it is not there or too large, and RemoteError.

    Tries a few times before it takes a server's failure for one.
    """
    return _retry(lambda: _read_bounded(url, MAX_BYTES))


def _retry(ask: Callable[[], Answer]) -> Answer:
    for pause_s in PAUSES_S:
        try:
            return ask()
        except RemoteError:
            time.sleep(pause_s)
    return ask()


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
    if not url.startswith("s3://"):
        names = _walk(url, DEEPEST)
        return (name for name in names if _is_visible_image(unquote(name.removeprefix(url))))
    keys = (f"s3://{bucket}/{one['Key']}" for one in _list_bucket(bucket, prefix))
    return (key for key in keys if _is_visible_image(key.removeprefix(url)))


def list_files(folder: str) -> Iterator[RemoteFile]:
    """Yield all that lies in a folder, whose URL ends in /, and in its subfolders.

    Names hidden folders of a web server, without what is in them. Reads no file: a bucket states
    sizes and times in its list, and a web server is asked for those of images that are not hidden.
    Raises OSError if there is no such folder, and RemoteError.
    """
    check_url(folder)
    if not folder.startswith("s3://"):
        yield from _describe_all(folder)
        return
    bucket, _, prefix = folder.removeprefix("s3://").partition("/")
    for one in _list_bucket(bucket, prefix):
        changed_ms = round(one["LastModified"].timestamp() * 1000) if "LastModified" in one else 0
        if name := one["Key"].removeprefix(prefix):
            yield RemoteFile(name, one.get("Size", 0), _bound(changed_ms * 1_000_000))


def join_url(folder: str, name: str) -> str:
    """Make the URL of a file of `list_files`."""
    if folder.startswith("s3://"):
        return folder + name
    return folder + quote(name, errors="surrogateescape")


def _is_visible_image(name: str) -> bool:
    path = PurePosixPath(name)
    hidden = any(part.startswith(".") for part in path.parts)
    return is_image(path) and not hidden and not name.endswith("/")


def _list_bucket(bucket: str, prefix: str) -> Iterator[Mapping[str, Any]]:
    """Yield what a bucket says of all keys with a prefix, a page of a thousand at a time."""
    more = dict[str, str]()
    while True:
        with _translate_errors(f"s3://{bucket}/{prefix}"):
            call = _open_system("s3").call_s3
            page = call("list_objects_v2", Bucket=bucket, Prefix=prefix, **more)
        yield from page.get("Contents", ())
        before, token = more, page.get("NextContinuationToken")
        if not page.get("IsTruncated"):
            return
        more = {"ContinuationToken": token}
        if not token or more == before:
            raise RemoteError(f"s3://{bucket}/{prefix}: its list begins again and again")


def _walk(folder: str, depth: int) -> Iterator[str]:
    """Yield the URLs of the files and folders in a web server's folder, and in its subfolders."""
    if not depth:
        raise RemoteError(f"{folder}: more than {DEEPEST} folders in folders, perhaps a circle")
    parser = _LinkParser(folder)
    page = _retry(lambda: _read_bounded(folder, LARGEST_PAGE))
    parser.feed(page.decode(errors="replace"))
    for url in sorted(parser.entries, key=lambda url: url.rstrip("/")):
        yield url
        if url.endswith("/") and not unquote(url.removeprefix(folder)).startswith("."):
            yield from _walk(url, depth - 1)


def _describe_all(folder: str) -> Iterator[RemoteFile]:
    names = (
        unquote(url.removeprefix(folder), errors="surrogateescape")
        for url in _walk(folder, DEEPEST)
    )
    with ThreadPoolExecutor(REQUESTS) as threads:
        while some := list(islice(names, 16 * REQUESTS)):  # `map` takes all at once
            yield from threads.map(partial(_describe, folder), some)


def _describe(folder: str, name: str) -> RemoteFile:
    """Describe a file by its headers. Without them, size and time are 0; reading it says why."""
    if not _is_visible_image(name):
        return RemoteFile(name)
    try:
        headers = _retry(partial(_read_headers, join_url(folder, name)))
    except OSError:
        return RemoteFile(name)
    size = _parse(int, headers.get("Content-Length"))
    changed_s = _parse(lambda text: mktime_tz(parsedate_tz(text)), headers.get("Last-Modified"))
    return RemoteFile(name, _bound(size), _bound(changed_s * 1_000_000_000))


def _bound(number: int) -> int:
    """The number if it has 63 bits, else 0: a server may say anything."""
    return number if 0 <= number < 1 << 63 else 0


def _parse(read: Callable[[Any], int], text: str | None) -> int:
    """Parse what a server says; 0 if that is nothing, or nonsense."""
    try:
        return read(text)
    except (TypeError, ValueError, OverflowError):
        return 0


def _read_headers(url: str) -> Mapping[str, str]:
    system = _open_system(urlsplit(url).scheme)

    async def ask() -> Mapping[str, str]:
        session = await system.set_session()
        async with session.head(system.encode_url(url), allow_redirects=True) as answer:
            if answer.status in BUSY:
                answer.raise_for_status()
            return answer.headers if answer.ok else {}

    with _translate_errors(url):
        headers: Mapping[str, str] = fsspec.asyn.sync(system.loop, ask)
    return headers


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
        path = unquote(name.removesuffix("/"))
        if path not in ("", ".", "..") and "?" not in name and "/" not in path:
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
