"""A socket and a viewer, for the tests of the watch's socket."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.edge.live.frames import HELLO

from vedette_edge.live.client import LiveClient
from vedette_edge.live.server import LiveServer


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "watch.sock"


@pytest.fixture
def server(path: Path) -> Iterator[LiveServer]:
    with LiveServer(path, HELLO) as server:
        yield server


@pytest.fixture
def viewer(server: LiveServer, path: Path) -> Iterator[LiveClient]:
    with LiveClient(path) as viewer:
        yield viewer
