"""Real servers that have pictures."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.edge.servers import (
    FileSystem,
    QuietHandler,
    bucket_server,  # noqa: F401  a fixture
    get_url,
    serve,
)

from vedette_edge.images import remote

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


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries again without a pause."""
    monkeypatch.setattr(remote, "PAUSES_S", (0.0,))


@pytest.fixture
def bucket(bucket_server: FileSystem, photos: Path) -> str:  # noqa: F811
    """A bucket that has the photos in a folder."""
    bucket_server.mkdir("season")
    for name in NAMES:
        bucket_server.pipe(f"season/2026/{name}", (photos / name).read_bytes())
    return "s3://season"
