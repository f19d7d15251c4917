"""Servers that have pictures: a web server, and one for buckets, which is moto."""

import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import fsspec
import pytest
from tests.edge.mosquitto import find_free_port, wait_until

from vedette_edge.images import remote

MOTO = ("moto[s3]==5.2.5", "flask==3.1.3", "flask-cors==6.0.5")
FileSystem = Any  # of fsspec


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serve(handler: Callable[..., BaseHTTPRequestHandler]) -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def get_url(server: ThreadingHTTPServer) -> str:
    return f"http://127.0.0.1:{server.server_port}"


def accepts(port: int) -> bool:
    """True if a server listens at a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def bucket_server(
    environment: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> Iterator[FileSystem]:
    """A server for buckets, without any, to which s3:// leads; gives its file system."""
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
            remote.open_system.cache_clear()
            fsspec.get_filesystem_class("s3").clear_instance_cache()  # of an earlier server
            yield fsspec.filesystem("s3", use_listings_cache=False)
        finally:
            server.kill()
