"""Pictures on a web server and in a bucket: real servers, the latter's is moto."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fsspec
import pytest
from tests.edge.conftest import needs_openssl
from tests.edge.mosquitto import find_free_port, wait_until
from tests.edge.vedette_command import call_vedette

from vedette_edge.errors import RemoteError, SettingError
from vedette_edge.images import remote
from vedette_edge.images.sources import find_pictures, read_source

MOTO = ("moto[s3]==5.2.5", "flask==3.1.3", "flask-cors==6.0.5")
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
    *("sub/deeper/a.jpg", ".hidden.jpg", "notes.txt", ""),
)


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


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


@contextmanager
def serve(handler: Callable[..., BaseHTTPRequestHandler]) -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def get_url(server: ThreadingHTTPServer) -> str:
    return f"http://127.0.0.1:{server.server_port}"


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


def accepts(port: int) -> bool:
    """True if a server listens at a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def bucket(
    environment: Callable[..., Path], photos: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """A bucket that has the photos in a folder."""
    python, port = environment("moto", *MOTO), find_free_port()
    url = f"http://127.0.0.1:{port}"
    for name, value in {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    command = [str(python), "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as server:
        try:
            wait_until(lambda: accepts(port), timeout_s=60)
            system = fsspec.filesystem("s3", use_listings_cache=False)
            system.mkdir("season")
            for name in NAMES:
                system.pipe(f"season/2026/{name}", (photos / name).read_bytes())
            yield "s3://season"
        finally:
            server.kill()


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
