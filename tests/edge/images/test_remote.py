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


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


class OddHandler(BaseHTTPRequestHandler):
    """A server that has answers of its own."""

    def log_message(self, *_: object) -> None:
        pass

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
            page = f"<a href='{self.path}on/'>on</a>".encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page)
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


def test_what_is_not_there_or_forbidden_is_left_out(odd: ThreadingHTTPServer, model: Path) -> None:
    names = [f"{get_url(odd)}/{status}/a.jpg" for status in (404, 403, 401)]
    result = call_vedette("predict", model, *names, "--json")
    assert result.exit_code == 4
    assert result.stdout.count('"error"') == 3
    assert f"left out {names[0]}: there is no such picture" in result.stderr
    assert f"left out {names[1]}: permission denied" in result.stderr


def test_a_server_that_fails_ends_the_run_and_the_next_one_goes_on(
    odd: ThreadingHTTPServer, web: str, model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "results.jsonl"
    url = f"{get_url(odd)}/503/a.jpg"
    result = call_vedette("predict", model, f"{web}/{NAMES[0]}", url, "--out", out)
    assert result.exit_code == 1
    assert "has 1 answer; the same command goes on" in result.stderr
    assert f"Error: {url}: 503" in result.stderr
    assert len(out.read_text().splitlines()) == 1


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


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1:{port}/a.jpg", "refused|Cannot connect"),
        ("nothing://a/b.jpg", "Protocol not known: nothing"),
        ("gs://a/b.jpg", r"pip install 'vedette-edge\[remote\]'"),
    ],
)
def test_other_failures_have_a_reason(url: str, reason: str) -> None:
    with pytest.raises((RemoteError, SettingError), match=reason):
        read_source(url.format(port=find_free_port()))


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
    for argument in (bucket, f"{bucket}/2026", f"{bucket}/2026/", f"{bucket}/2026/*"):
        assert list(find_pictures([argument])) == every
    assert list(find_pictures([f"{bucket}/**/*.png"])) == every[1:2]
    assert read_source(every[0]) == (photos / NAMES[0]).read_bytes()
    result = call_vedette("predict", model, bucket, f"{bucket}/no.jpg", "--csv")
    rows = [line.split(",")[:2] for line in result.stdout.splitlines()[1:]]
    assert rows == [
        *map(list, zip(every, ("red", "green", "blue"), strict=True)),
        [f"{bucket}/no.jpg", ""],
    ]
    assert "there is no such picture" in result.stderr
