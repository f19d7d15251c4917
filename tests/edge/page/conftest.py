"""A running page, and requests to it as a browser, a script or an attacker sends them."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.edge.vedette_command import read_events, start_watch
from tests.edge.video_files import write_video

TOKEN = "0123456789abcdef0123456789abcdef"
TIMEOUT_S = 60


@dataclass
class Answer:
    """An answer that was read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Page:
    """A page that is being served."""

    port: int
    pid: int
    source: str = "127.0.0.1"  # address that requests come from

    @contextmanager
    def open(
        self, path: str, method: str = "GET", body: str = "", **headers: str
    ) -> Iterator[HTTPResponse]:
        """Send a request; its answer is read within the context."""
        address = (self.source, 0)
        with closing(HTTPConnection("127.0.0.1", self.port, TIMEOUT_S, address)) as connection:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body or None, named)
            with connection.getresponse() as answer:
                yield answer

    def get(self, path: str, method: str = "GET", body: str = "", **headers: str) -> Answer:
        """Send a request and read the answer."""
        with self.open(path, method, body, **headers) as answer:
            lower = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, lower, answer.read())

    def post(self, path: str, body: str = "", **headers: str) -> Answer:
        """Send a form, as this page itself would."""
        own = {"Origin": f"http://127.0.0.1:{self.port}"}
        return self.get(path, "POST", body, **(own | headers))

    @contextmanager
    def events(self, query: str = "", **headers: str) -> Iterator[Iterator[tuple[str, str, Any]]]:
        """Listen to events: their kinds, ids and data."""
        with self.open(f"/events{query}", **headers) as answer:
            assert answer.status == 200, answer.read()
            yield _read_events(answer)


def _read_events(answer: HTTPResponse) -> Iterator[tuple[str, str, Any]]:
    fields: dict[str, str] = {}
    while line := answer.readline().decode():
        if line == "\n" and fields:
            yield fields["event"], fields.get("id", ""), json.loads(fields["data"])
            fields = {}
        elif not line.startswith((":", "\n")):
            name, _, value = line.rstrip("\n").partition(": ")
            fields[name] = value


StartPage = Callable[..., Page]


@contextmanager
def start_page(*arguments: str | Path, port: int = 0) -> Iterator[Page]:
    """Run `vedette page` on a free port; kill it at the end."""
    command = [sys.executable, "-m", "vedette_edge", "page", "--bind", f"127.0.0.1:{port}"]
    with subprocess.Popen(
        [*command, *map(str, arguments)], stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr
            line = process.stderr.readline()
            match = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/\n", line)
            assert match, line + process.stderr.read()
            yield Page(int(match[1]), process.pid)
        finally:
            process.kill()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="module")
def watch(folder: Path, model: Path) -> Iterator[Path]:
    """A watch of half a second each of red, green and blue; its socket."""
    colours_rgb = ((220, 0, 0), (0, 220, 0), (0, 0, 220))
    frames = [np.full((60, 80, 3), one, np.uint8) for one in colours_rgb for _ in range(5)]
    clip = write_video(folder / "clip.avi", frames)
    config = folder / "config.toml"
    config.write_text(
        f'model = "{model}"\ncamera = "{clip}"\nlive = true\nloop = true\njson = true\n'
        f'smoothing = 0.2\ndwell = 0.0\nheartbeat = 0.2\nsocket = "{folder}/watch.sock"\n'
        f'log = "{folder}/watch.jsonl"\nlog-flush = 0.1\nsnapshots = "{folder}/snapshots"\n'
        'region = ["door=0,0,40,60", "yard=40,0,40,60"]\n'
    )
    # Thresholds that a test sets are kept in a folder of its own: no other watch takes them over.
    with start_watch(config, STATE_DIRECTORY=str(folder / "state")) as process:
        read_events(process, "change")
        drain = subprocess.Popen(["cat"], stdin=process.stdout, stdout=subprocess.DEVNULL)
        yield folder / "watch.sock"
        process.send_signal(signal.SIGTERM)
        process.wait(TIMEOUT_S)
        drain.wait(TIMEOUT_S)


@pytest.fixture(scope="module")
def page(watch: Path) -> Iterator[Page]:
    """A page of that watch, without a token."""
    with start_page("--socket", watch) as page:
        yield page


@pytest.fixture
def start(folder: Path) -> Iterator[StartPage]:
    """Starts pages of no watch."""
    with ExitStack() as stack:
        yield lambda *arguments, **options: stack.enter_context(
            start_page("--socket", folder / "gone.sock", *arguments, **options)
        )


@pytest.fixture(scope="module")
def token_file(folder: Path) -> Path:
    path = folder / "token"
    path.touch(0o600)
    path.write_text(f"{TOKEN}\n")
    return path


def read_memory(pid: int) -> int:
    """Resident memory of a process in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def is_running(pid: int) -> bool:
    """True if a child runs that nobody has waited for."""
    with suppress(FileNotFoundError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False
