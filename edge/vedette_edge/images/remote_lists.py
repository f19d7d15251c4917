"""Lists of folders in buckets and on web servers, through fsspec: `vedette-edge[remote]`.

Without it, importing this raises SettingError.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.utils import mktime_tz, parsedate_tz
from functools import partial
from html.parser import HTMLParser
from itertools import islice
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from vedette_edge.errors import ImageError, RemoteError
from vedette_edge.images.discovery import is_image
from vedette_edge.images.image_header import detect_format
from vedette_edge.images.remote import (
    check_url,
    join_url,
    open_system,
    read_beginning,
    read_bounded,
    read_headers,
    retry,
    translate_errors,
)

LARGEST_PAGE = 64 << 20  # bytes of a web server's list of a folder
DEEPEST = 32  # folders in folders: a web server's may have a circle
MOST_SHOWN = 200  # characters of a URL that is too deep
REQUESTS = 16  # to a web server at once


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file in a folder on a server, or a folder, with what changes when its content does."""

    name: str  # in the folder, as people read it: without %20; that of a folder ends in /
    size: int = 0  # bytes; 0 if the server does not say
    changed_ns: int = 0  # since the epoch; 0 if the server does not say


def find_images(url: str) -> Iterator[str]:
    """Yield the images of a folder and its subfolders: its URL ends in /, or is a bucket's.

    The URL of anything else is that of an image. Those of a folder are sorted by their names, those
    of a bucket by their whole keys, without hidden ones. Raises SettingError for a URL that is not
    read, OSError if there is no such folder, and RemoteError.
    """
    check_url(url)
    if not _is_folder(url):
        return iter([url])
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    if not url.startswith("s3://"):
        names = _walk(url)
        return (name for name in names if _is_visible_image(unquote(name.removeprefix(url))))
    keys = (f"s3://{bucket}/{one['Key']}" for one in _list_bucket(bucket, prefix))
    return (key for key in keys if _is_visible_image(key.removeprefix(url)))


def require_image(url: str) -> None:
    """Raise ImageError for the URL of a picture that is none, if it looks like a folder or pattern.

    Raises SettingError, OSError and RemoteError as `find_images` does.
    """
    check_url(url)
    if _is_folder(url) or (is_image(PurePosixPath(urlsplit(url).path)) and "*" not in url):
        return
    try:
        reason = "" if detect_format(read_beginning(url)) else "this is no picture"
    except FileNotFoundError:
        reason = "there is no such picture"
    if reason:
        hint = "patterns are for paths" if "*" in url else "the URL of a folder ends in /"
        raise ImageError(f"{url}: {reason}; {hint}")


def _is_folder(url: str) -> bool:
    return url.endswith("/") or (url.startswith("s3://") and url.count("/") == 2)


def list_files(folder: str) -> Iterator[RemoteFile]:
    """Yield all that lies in a folder, whose URL ends in /, and in its subfolders.

    Names hidden folders of a web server, without what is in them. Reads no file: a bucket states
    sizes and times in its list, and a web server is asked for those of images that are not hidden.
    Raises OSError if there is no such folder, and RemoteError, also for more than DEEPEST folders
    in each other.
    """
    check_url(folder)
    if not folder.startswith("s3://"):
        yield from _describe_all(folder)
        return
    bucket, _, prefix = folder.removeprefix("s3://").partition("/")
    for one in _list_bucket(bucket, prefix):
        changed_ms = round(one["LastModified"].timestamp() * 1000) if "LastModified" in one else 0
        if name := one["Key"].removeprefix(prefix):
            _require_shallow(folder + name, name.count("/"))
            yield RemoteFile(name, one.get("Size", 0), _bound(changed_ms * 1_000_000))


def _is_visible_image(name: str) -> bool:
    path = PurePosixPath(name)
    hidden = any(part.startswith(".") for part in path.parts)
    return is_image(path) and not hidden and not name.endswith("/")


def _list_bucket(bucket: str, prefix: str) -> Iterator[Mapping[str, Any]]:
    """Yield what a bucket says of all keys with a prefix, a page of a thousand at a time."""
    more = dict[str, str]()
    while True:
        with translate_errors(f"s3://{bucket}/{prefix}", "bucket"):
            call = open_system("s3").call_s3
            page = call("list_objects_v2", Bucket=bucket, Prefix=prefix, **more)
        yield from page.get("Contents", ())
        before, token = more, page.get("NextContinuationToken")
        if not page.get("IsTruncated"):
            return
        more = {"ContinuationToken": token}
        if not token or more == before:
            raise RemoteError(f"s3://{bucket}/{prefix}: its list begins again and again")


def _require_shallow(url: str, depth: int) -> None:
    if depth > DEEPEST:
        raise RemoteError(
            f"{url[:MOST_SHOWN]}: in more than {DEEPEST} folders; name one further down, or move it"
        )


def _walk(folder: str, depth: int = 0) -> Iterator[str]:
    """Yield the URLs of the files and folders in a web server's folder, and in its subfolders."""
    _require_shallow(folder, depth)
    parser = _LinkParser(folder)
    page = retry(lambda: read_bounded(folder, LARGEST_PAGE, "folder"))
    parser.feed(page.decode(errors="replace"))
    for url in sorted(parser.entries, key=lambda url: url.rstrip("/")):
        yield url
        if url.endswith("/") and not unquote(url.removeprefix(folder)).startswith("."):
            yield from _walk(url, depth + 1)


def _describe_all(folder: str) -> Iterator[RemoteFile]:
    names = (unquote(url.removeprefix(folder), errors="surrogateescape") for url in _walk(folder))
    with ThreadPoolExecutor(REQUESTS) as threads:
        while some := list(islice(names, 16 * REQUESTS)):  # `map` takes all at once
            yield from threads.map(partial(_describe, folder), some)


def _describe(folder: str, name: str) -> RemoteFile:
    """Describe a file by its headers. Without them, size and time are 0; reading it says why."""
    if not _is_visible_image(name):
        return RemoteFile(name)
    try:
        headers = retry(partial(read_headers, join_url(folder, name)))
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
