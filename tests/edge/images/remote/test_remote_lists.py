"""Lists of folders on servers: what changes when a file's content does."""

import os
import time
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.edge.images.remote.conftest import NAMES, OddHandler
from tests.edge.mosquitto import find_free_port
from tests.edge.servers import FileSystem, get_url, serve

from vedette_edge.errors import RemoteError
from vedette_edge.images import remote_lists
from vedette_edge.images.remote import join_url
from vedette_edge.images.remote_lists import RemoteFile, list_files
from vedette_edge.images.sources import find_pictures, read_source

ODD_HEADERS: dict[str, dict[str, str]] = {
    "a.jpg": {},
    "b.jpg": {"Last-Modified": "yesterday"},
    "c.jpg": {"Last-Modified": "Fri, 27 Nov 99999999999999 10:00:00 GMT"},
    "d.jpg": {"Last-Modified": "Fri, 27 Nov 2026 10:00:00 GMT", "Content-Length": "7"},
}


class HeadersHandler(OddHandler):
    """A server of files with odd headers."""

    def do_GET(self) -> None:  # noqa: N802
        self.send("".join(f'<a href="{name}">' for name in ODD_HEADERS))

    def do_HEAD(self) -> None:  # noqa: N802
        self.send_response(200)
        for name, value in ODD_HEADERS[self.path[1:]].items():
            self.send_header(name, value)
        self.end_headers()


def test_a_web_server_s_folder_is_listed_with_sizes_and_times_of_change(
    web: str, photos: Path
) -> None:
    name = "été 2026/a+b #1%20(2).jpg"
    (photos / name).parent.mkdir()
    (photos / name).write_bytes(b"content")
    (photos / ".git").mkdir()
    (photos / ".git" / "d.jpg").touch()
    (photos / "empty").mkdir()
    os.utime(photos / name, ns=(0, 1_000_000_000_000_000_000))
    files = {one.name: one for one in list_files(f"{web}/")}
    others = (".git/", ".hidden.jpg", "again/", "again/d.jpg", "empty/", "notes.txt", "été 2026/")
    assert sorted(files) == sorted([*NAMES, *others, name])
    assert files[name] == RemoteFile(name, 7, 1_000_000_000_000_000_000)
    assert read_source(join_url(f"{web}/", name)) == b"content"
    assert files[NAMES[0]].size == (photos / NAMES[0]).stat().st_size
    assert files[NAMES[0]].changed_ns == int((photos / NAMES[0]).stat().st_mtime) * 1_000_000_000
    assert files["notes.txt"] == RemoteFile("notes.txt")


def test_what_a_web_server_does_not_say_of_a_file_is_0() -> None:
    with serve(HeadersHandler) as server:
        files = list(list_files(f"{get_url(server)}/"))
    assert files == [
        RemoteFile("a.jpg"),
        RemoteFile("b.jpg"),
        RemoteFile("c.jpg"),
        RemoteFile("d.jpg", 7, 1_795_773_600_000_000_000),
    ]


@pytest.mark.parametrize("path", ["404/a.jpg", "405/a.jpg", "round/a.jpg"])
def test_a_file_whose_headers_are_refused_is_listed_all_the_same(
    odd: ThreadingHTTPServer, path: str
) -> None:
    folder, name = path.split("/")
    url = f"{get_url(odd)}/{folder}/"
    assert remote_lists._describe(url, name) == RemoteFile(name)


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_is_too_busy_for_headers_is_an_error(
    odd: ThreadingHTTPServer, status: int
) -> None:
    with pytest.raises(RemoteError, match=f"{status}, message="):
        remote_lists._describe(f"{get_url(odd)}/{status}/", "a.jpg")


def test_a_web_server_that_is_gone_before_all_is_listed_is_an_error(
    web: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = f"http://127.0.0.1:{find_free_port()}/"
    monkeypatch.setattr(remote_lists, "join_url", lambda _, name: gone + name)
    with pytest.raises(RemoteError, match="Cannot connect"):
        list(list_files(f"{web}/"))


def test_a_bucket_s_folder_is_listed_with_sizes_and_times_of_change(
    bucket: str,
    bucket_server: FileSystem,
) -> None:
    began_ns = time.time_ns() - 5_000_000_000
    keys = ("more/", "more/a b+c#%20?.jpg", "more/.hidden/a.jpg", "more//a.jpg", "most/a.jpg")
    for key in keys:
        bucket_server.call_s3("put_object", Bucket="season", Key=key, Body=b"content")
    files = {one.name: one for one in list_files(f"{bucket}/more/")}
    assert sorted(files) == [".hidden/a.jpg", "/a.jpg", "a b+c#%20?.jpg"]
    for name, file in files.items():
        assert file.size == 7
        assert began_ns < file.changed_ns < time.time_ns()
        assert read_source(join_url(f"{bucket}/more/", name)) == b"content"
    assert len(list(list_files(f"{bucket}/"))) == len(NAMES) + len(keys)
    deep = f"most/{'a/' * 33}a.jpg"
    bucket_server.call_s3("put_object", Bucket="season", Key=deep, Body=b"content")
    with pytest.raises(RemoteError, match=r"^s3://season/most/a/.*: in more than 32 folders"):
        list(list_files(f"{bucket}/most/"))
    assert list(find_pictures([f"{bucket}/more/"])) == [
        f"{bucket}/more//a.jpg",
        f"{bucket}/more/a b+c#%20?.jpg",
    ]
