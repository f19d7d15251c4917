"""Pictures in buckets and on web servers, through fsspec: the extra `vedette-edge[remote]`.

Without it, importing this raises SettingError. A picture is read as a stream into memory.
"""

import errno
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import cache
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

from vedette_edge.errors import RemoteError, SettingError
from vedette_edge.files import MAX_BYTES, PIECE_BYTES

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
MISSING = (404, 410)
BUSY = (429, *range(500, 600))  # answers of a server that may work later
Answer = TypeVar("Answer")
# Answers of a server that works, but not for this picture.
BROKEN = (aiohttp.ClientPayloadError, aiohttp.TooManyRedirects, aiohttp.InvalidURL)


def check_url(url: str) -> None:
    """Raise SettingError for a URL that is not read, or with a name or a password."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise SettingError(
            f"{url}: no URL ({error}); expected s3://bucket/folder/ or the like"
        ) from error
    if not url.startswith(tuple(f"{scheme}://" for scheme in SCHEMES)):
        raise SettingError(
            f"{url}: expected a path, or a URL that begins with s3://, https:// or http://"
        )
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


def join_url(folder: str, name: str) -> str:
    """Make the URL of a file from its name in a folder, whose URL ends in /."""
    if folder.startswith("s3://"):
        return folder + name
    return folder + quote(name, errors="surrogateescape")


def read_file(url: str) -> bytes:
    """Read a file. Raises OSError if it is not there or too large, and RemoteError.

    Tries a few times before it takes a server's failure for one.
    """
    return retry(lambda: read_bounded(url, MAX_BYTES))


def retry(ask: Callable[[], Answer]) -> Answer:
    """Call a function, and again after a pause if it raises RemoteError."""
    for pause_s in PAUSES_S:
        try:
            return ask()
        except RemoteError:
            time.sleep(pause_s)
    return ask()


def read_bounded(url: str, most_bytes: int, kind: str = "picture") -> bytes:
    """Read what is at a URL, of a kind that errors name, once. Raises OSError and RemoteError."""
    content = bytearray()
    with closing(_read_pieces(url, kind)) as pieces:
        for piece in pieces:
            content += piece
            if len(content) > most_bytes:
                raise OSError(errno.EFBIG, f"larger than {most_bytes >> 20} MiB", url)
    return bytes(content)


def read_beginning(url: str) -> bytes:
    """Read the first bytes of a picture. Raises OSError and RemoteError."""
    with closing(_read_pieces(url, "picture")) as pieces:
        return next(pieces, b"")


def _read_pieces(url: str, kind: str) -> Generator[bytes, None, None]:
    scheme = urlsplit(url).scheme
    # With any size, a web server is asked once: not for the size first, whose failure would
    # always be "not found". The stream is read to its end.
    options = {} if scheme == "s3" else {"block_size": 0, "size": 1}
    with translate_errors(url, kind), open_system(scheme).open(url, "rb", **options) as file:
        while piece := file.read(PIECE_BYTES):
            yield piece


def read_headers(url: str) -> Mapping[str, str]:
    """Read the headers of a file on a web server: none if it refuses them. Raises RemoteError."""
    system = open_system(urlsplit(url).scheme)

    async def ask() -> Mapping[str, str]:
        session = await system.set_session()
        async with session.head(system.encode_url(url), allow_redirects=True) as answer:
            if answer.status in BUSY:
                answer.raise_for_status()
            return answer.headers if answer.ok else {}

    with translate_errors(url):
        headers: Mapping[str, str] = fsspec.asyn.sync(system.loop, ask)
    return headers


@cache
def open_system(scheme: str) -> Any:
    """Open the file system of a scheme."""
    options = {} if scheme == "s3" else {"client_kwargs": {"timeout": TIMEOUT}}
    return fsspec.filesystem(scheme, use_listings_cache=False, **options)


@contextmanager
def translate_errors(url: str, kind: str = "picture") -> Iterator[None]:
    """Raise what a file system of fsspec raises: as OSError of one file, or as RemoteError."""
    try:
        yield
    except BROKEN as error:
        reason = f"the answer of the server is broken ({type(error).__name__})"
        raise OSError(errno.EIO, reason, url) from error
    except ImportError as error:
        raise SettingError(f"{url}: {error}: {INSTALL}") from error
    except Exception as error:  # each library has errors of its own
        if isinstance(error, FileNotFoundError) or getattr(error, "status", None) in MISSING:
            raise FileNotFoundError(errno.ENOENT, f"there is no such {kind}", url) from error
        hint = "; is it http://?" if isinstance(error, aiohttp.ClientConnectorSSLError) else ""
        raise RemoteError(f"{url}: {str(error) or type(error).__name__}{hint}") from error
