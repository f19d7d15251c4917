"""Pictures on a web server and in a bucket: real servers, the latter's is moto."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.edge.conftest import needs_openssl
from tests.edge.mosquitto import find_free_port
from tests.edge.servers import (
    FileSystem,
    QuietHandler,
    bucket_server,  # noqa: F401  a fixture
    get_url,
    serve,
)
from tests.edge.vedette_command import call_vedette

from vedette_edge.errors import RemoteError, SettingError
from vedette_edge.images import remote
from vedette_edge.images.sources import find_pictures, read_source

NAMES = ("a-red.jpg", "b-green.png", "c-blue.webp")
LINKS = (
    *(
        "b&amp;c.jpg",
        "a.jpg",
        "./a.jpg",
        "/links/a.jpg#top",
        "a.jpg",
        "a%20b.jpg",
    ),  # three pictures
    *("../", "./", "../other/a.jpg", "http://[", "https://example.org/a.jpg", "?C=N", "a.jpg?x"),
    *("sub/deeper/a.jpg", ".hidden.jpg", "notes.txt", "", "c%2Fd.jpg", "%2E%2E/", ".git/"),
)
ODD_HEADERS: dict[str, dict[str, str]] = {
    "a.jpg": {},
    "b.jpg": {"Last-Modified": "yesterday"},
    "c.jpg": {"Last-Modified": "Fri, 27 Nov 99999999999999 10:00:00 GMT"},
    "d.jpg": {"Last-Modified": "Fri, 27 Nov 2026 10:00:00 GMT", "Content-Length": "7"},
}


class OddHandler(BaseHTTPRequestHandler):
    """A server that has answers of its own."""

    def log_message(self, *_: object) -> None:
        pass

    def send(self, text: str, length: int = 0) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(length or len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def do_GET(self) -> None:
        if self.path.startswith("/endless"):
            self.send_response(200)
            self.end_headers()
            try:
                while True:
                    self.wfile.write(bytes(1 << 16))
            except OSError:
                self.server.ended.set()  # type: ignore[attr-defined]
        elif self.path.startswith("/circle"):
            self.send(f"<a href='{self.path}on/'>on</a>")
        elif self.path == "/links/":
            self.send("".join(f'<a href="{link}">' for link in LINKS))
        elif self.path == "/short/a.jpg":
            self.send("a", length=2)
        elif self.path == "/round/a.jpg":
            self.send_response(302)
            self.send_header("Location", self.path)
            self.end_headers()
        else:
            self.send_error(int(self.path.split("/")[1]))

    do_HEAD = do_GET  # noqa: N815


class HeadersHandler(OddHandler):
    """A server of files with odd headers."""

    def do_GET(self) -> None:
        self.send("".join(f'<a href="{name}">' for name in ODD_HEADERS))

    def do_HEAD(self) -> None:
        self.send_response(200)
        for name, value in ODD_HEADERS[self.path[1:]].items():
            self.send_header(name, value)
        self.end_headers()


@pytest.fixture
def web(photos: Path) -> Iterator[str]:
    """The address of a web server that lists folders."""
    (photos / "again").mkdir()
    (photos / "again" / "d.jpg").write_bytes((photos / NAMES[0]).read_bytes())
    (photos / ".hidden.jpg").touch()
    (photos / "notes.txt").touch()
    with serve(partial(QuietHandler, directory=photos)) as server:
        yield get_url(server)


@pytest.fixture
def odd() -> Iterator[ThreadingHTTPServer]:
    with serve(OddHandler) as server:
        server.ended = threading.Event()  # type: ignore[attr-defined]
        yield server


def test_a_web_server_s_folder_has_the_pictures_of_the_folder(web: str, photos: Path) -> None:
    names = ("a-red.jpg", "again/d.jpg", "b-green.png", "c-blue.webp")
    assert list(find_pictures([f"{web}/"])) == [f"{web}/{name}" for name in names]
    for name in names:
        assert read_source(f"{web}/{name}") == (photos / name).read_bytes()
    (photos / "large.jpg").write_bytes(os.urandom(3 << 20))
    assert read_source(f"{web}/large.jpg") == (photos / "large.jpg").read_bytes()


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
    files = {one.name: one for one in remote.list_files(f"{web}/")}
    others = (".git/", ".hidden.jpg", "again/", "again/d.jpg", "empty/", "notes.txt", "été 2026/")
    assert sorted(files) == sorted([*NAMES, *others, name])
    assert files[name] == remote.RemoteFile(name, 7, 1_000_000_000_000_000_000)
    assert read_source(remote.join_url(f"{web}/", name)) == b"content"
    assert files[NAMES[0]].size == (photos / NAMES[0]).stat().st_size
    assert files[NAMES[0]].changed_ns == int((photos / NAMES[0]).stat().st_mtime) * 1_000_000_000
    assert files["notes.txt"] == remote.RemoteFile("notes.txt")


def test_what_a_web_server_does_not_say_of_a_file_is_0() -> None:
    with serve(HeadersHandler) as server:
        files = list(remote.list_files(f"{get_url(server)}/"))
    assert files == [
        remote.RemoteFile("a.jpg"),
        remote.RemoteFile("b.jpg"),
        remote.RemoteFile("c.jpg"),
        remote.RemoteFile("d.jpg", 7, 1_795_773_600_000_000_000),
    ]


@pytest.mark.parametrize("path", ["404/a.jpg", "503/a.jpg", "round/a.jpg"])
def test_a_file_whose_headers_are_refused_is_listed_all_the_same(
    odd: ThreadingHTTPServer, path: str
) -> None:
    folder, name = path.split("/")
    url = f"{get_url(odd)}/{folder}/"
    assert remote._describe(url, name) == remote.RemoteFile(name)


def test_a_web_server_that_is_gone_before_all_is_listed_is_an_error(
    web: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = f"http://127.0.0.1:{find_free_port()}/"
    monkeypatch.setattr(remote, "join_url", lambda _, name: gone + name)
    with pytest.raises(RemoteError, match="Cannot connect"):
        list(remote.list_files(f"{web}/"))


def test_answers_are_those_of_the_folder(
    web: str, photos: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (photos / "damaged.png").write_bytes((photos / NAMES[1]).read_bytes()[:40])
    monkeypatch.chdir(photos)
    remotely = call_vedette("predict", model, f"{web}/", "--json")
    here = call_vedette("predict", model, *sorted(find_pictures(["."])), "--json")
    assert remotely.stdout.replace(f"{web}/", "") == here.stdout
    assert remotely.exit_code == here.exit_code == 4


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries again without a pause."""
    monkeypatch.setattr(remote, "PAUSES_S", (0.0,))


def test_of_a_list_what_lies_in_the_folder_is_taken_once(odd: ThreadingHTTPServer) -> None:
    folder = f"{get_url(odd)}/links/"
    assert list(find_pictures([folder])) == [
        f"{folder}{name}" for name in ("a%20b.jpg", "a.jpg", "b&c.jpg")
    ]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("404/a.jpg", "there is no such picture"),
        ("410/a.jpg", "there is no such picture"),
        ("short/a.jpg", "the answer of the server is broken (ClientPayloadError)"),
        ("round/a.jpg", "the answer of the server is broken (TooManyRedirects)"),
    ],
)
def test_a_picture_that_the_server_does_not_have_is_left_out(
    odd: ThreadingHTTPServer, model: Path, path: str, reason: str
) -> None:
    url = f"{get_url(odd)}/{path}"
    result = call_vedette("predict", model, url)
    assert result.exit_code == 4
    assert f"left out {url}: {reason}" in result.stderr


@pytest.mark.parametrize("status", [401, 403, 503])
def test_a_server_that_fails_ends_the_run_and_the_next_one_goes_on(
    odd: ThreadingHTTPServer, web: str, model: Path, tmp_path: Path, status: int
) -> None:
    out = tmp_path / "results.jsonl"
    url = f"{get_url(odd)}/{status}/a.jpg"
    result = call_vedette("predict", model, f"{web}/{NAMES[0]}", url, "--out", out)
    assert result.exit_code == 1
    assert "has 1 answer; the same command goes on" in result.stderr
    assert f"Error: {url}: {status}" in result.stderr
    assert len(out.read_text().splitlines()) == 1


def test_a_server_that_fails_once_is_asked_again(web: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[object]()

    def answer(*question: object) -> bytes:
        asked.append(question)
        if len(asked) == 1:
            raise RemoteError("503")
        return b"picture"

    monkeypatch.setattr(remote, "_read_bounded", answer)
    assert read_source(f"{web}/a.jpg") == b"picture"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("gs://a/b.jpg", "begins with s3:// or https://"),
        ("file:///etc/passwd", "begins with s3:// or https://"),
        ("simplecache::s3://a/b.jpg", "begins with s3:// or https://"),
        ("https://me:secret@host/a.jpg", "^https://host: a password in a URL"),
    ],
)
def test_other_urls_are_refused(url: str, reason: str) -> None:
    with pytest.raises(SettingError, match=reason):
        list(find_pictures([url]))


@pytest.mark.parametrize("path", ["a.jpg", "folder/"])
def test_an_endless_answer_is_read_to_the_limit(
    odd: ThreadingHTTPServer, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "MAX_BYTES", 1 << 20)
    monkeypatch.setattr(remote, "LARGEST_PAGE", 1 << 20)
    url = f"{get_url(odd)}/endless/{path}"
    with pytest.raises((OSError, RemoteError), match="larger than 1 MiB"):
        list(map(read_source, find_pictures([url])))
    assert odd.ended.wait(10)  # type: ignore[attr-defined]


def test_a_circle_of_folders_ends(odd: ThreadingHTTPServer) -> None:
    with pytest.raises(RemoteError, match="perhaps a circle"):
        list(find_pictures([f"{get_url(odd)}/circle/"]))


def test_a_server_that_is_not_there_is_an_error() -> None:
    with pytest.raises(RemoteError, match="Cannot connect"):
        read_source(f"http://127.0.0.1:{find_free_port()}/a.jpg")


def test_a_folder_that_is_not_there_is_an_error(web: str, model: Path) -> None:
    result = call_vedette("predict", model, f"{web}/nowhere/")
    assert result.exit_code == 1
    assert f"{web}/nowhere/" in result.stderr


def test_without_the_package_the_command_says_what_to_install(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)
    monkeypatch.delitem(sys.modules, "vedette_edge.images.remote")
    monkeypatch.delattr("vedette_edge.images.remote")
    result = call_vedette("predict", model, "https://example.org/a.jpg")
    assert result.exit_code == 1
    assert "pip install 'vedette-edge[remote]'" in result.stderr


@needs_openssl
def test_https_is_checked_against_a_certificate(
    photos: Path, model: Path, certificate: tuple[Path, Path]
) -> None:
    import ssl

    with serve(partial(QuietHandler, directory=photos)) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        url = f"https://localhost:{server.server_port}/"
        command = [sys.executable, "-m", "vedette_edge", "predict", str(model), url, "--csv"]
        refused = subprocess.run(command, capture_output=True, text=True, check=False)
        trusted = os.environ | {"SSL_CERT_FILE": str(certificate[0])}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=trusted)
    assert refused.returncode == 1
    assert "certificate" in refused.stderr
    assert [line.split(",")[1] for line in done.stdout.splitlines()[1:]] == ["red", "green", "blue"]


@pytest.fixture
def bucket(bucket_server: FileSystem, photos: Path) -> str:  # noqa: F811
    """A bucket that has the photos in a folder."""
    bucket_server.mkdir("season")
    for name in NAMES:
        bucket_server.pipe(f"season/2026/{name}", (photos / name).read_bytes())
    return "s3://season"


def test_a_bucket_s_folder_is_listed_with_sizes_and_times_of_change(
    bucket: str,
    bucket_server: FileSystem,  # noqa: F811
) -> None:
    began_ns = time.time_ns() - 5_000_000_000
    keys = ("more/", "more/a b+c#%20?.jpg", "more/.hidden/a.jpg", "more//a.jpg", "most/a.jpg")
    for key in keys:
        bucket_server.call_s3("put_object", Bucket="season", Key=key, Body=b"content")
    files = {one.name: one for one in remote.list_files(f"{bucket}/more/")}
    assert sorted(files) == [".hidden/a.jpg", "/a.jpg", "a b+c#%20?.jpg"]
    for name, file in files.items():
        assert file.size == 7
        assert began_ns < file.changed_ns < time.time_ns()
        assert read_source(remote.join_url(f"{bucket}/more/", name)) == b"content"
    assert len(list(remote.list_files(f"{bucket}/"))) == len(NAMES) + len(keys)
    assert list(find_pictures([f"{bucket}/more/"])) == [
        f"{bucket}/more//a.jpg",
        f"{bucket}/more/a b+c#%20?.jpg",
    ]


def test_a_bucket_s_pictures(bucket: str, photos: Path, model: Path) -> None:
    every = [f"{bucket}/2026/{name}" for name in NAMES]
    for argument in (bucket, f"{bucket}/", f"{bucket}/2026/"):
        assert list(find_pictures([argument])) == every
    assert read_source(every[0]) == (photos / NAMES[0]).read_bytes()
    result = call_vedette("predict", model, bucket, f"{bucket}/no.jpg", "--csv")
    rows = [line.split(",")[:2] for line in result.stdout.splitlines()[1:]]
    assert rows == [
        *map(list, zip(every, ("red", "green", "blue"), strict=True)),
        [f"{bucket}/no.jpg", ""],
    ]
    assert "there is no such picture" in result.stderr
