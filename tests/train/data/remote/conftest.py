"""The same data set in a folder, in a bucket and on a web server."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import pytest
from tests.edge.dask_cluster import PLAIN, DaskCluster, cluster  # noqa: F401  a fixture
from tests.edge.servers import (
    FileSystem,
    QuietHandler,
    bucket_server,  # noqa: F401  a fixture
    get_url,
    serve,
)
from tests.train.workplaces import work_in

from vedette_edge.images import remote
from vedette_train.config import TrainConfig
from vedette_train.data.discovery import scan_dataset
from vedette_train.data.image_cache import open_cache
from vedette_train.data.preparation import (
    Entry,
)
from vedette_train.data.remote_folder import open_folder
from vedette_train.data.training_data import TrainingData, draft_contract, load_training_data

CONFIG = TrainConfig(size=32)
ODD_NAME = "été #1%20?.jpg"


@dataclass(slots=True)
class Traffic:
    """The pictures that a web server was asked for, and what it does."""

    url: str = ""
    asked: list[str] = field(default_factory=list)
    most: int = 1_000_000  # pictures that it sends before it fails
    dates: bool = True  # says when a file changed

    def reset(self) -> None:
        """Count from 0, and send all again."""
        self.asked, self.most = [], 1_000_000


class PhotoHandler(QuietHandler):
    """Sends files until the server has sent enough."""

    def __init__(self, traffic: Traffic, *arguments: Any, **options: Any) -> None:
        self.traffic = traffic
        super().__init__(*arguments, **options)

    def do_GET(self) -> None:  # noqa: N802
        if not self.path.endswith("/"):
            self.traffic.asked.append(self.path)
        if len(self.traffic.asked) > self.traffic.most:
            self.send_error(503)
        else:
            super().do_GET()

    def send_header(self, keyword: str, value: str) -> None:
        if keyword != "Last-Modified" or self.traffic.dates:
            super().send_header(keyword, value)


@pytest.fixture
def data(draw_shapes: Callable[[Path, int], Path], tmp_path: Path) -> Path:
    """A data set with odd names, a picture that is cut off, files that are none, and damage."""
    folder = draw_shapes(tmp_path / "data", 12)
    cut = folder / "bar" / "000.png"
    cut.write_bytes(cut.read_bytes()[:200])
    (folder / "disc" / "000.png").write_text("no picture")
    (folder / "disc" / "notes.txt").touch()
    (folder / "square").rename(folder / "carré 2+2")
    picture = cv2.imread(str(folder / "bar" / "001.png"))
    assert picture is not None
    jpeg = cv2.imencode(".jpg", picture[::-1])[1].tobytes()
    more = jpeg[:-2] + bytes(100) + jpeg[-2:]  # the decoder says that these are unused
    (folder / "bar" / ODD_NAME).write_bytes(more)
    return folder


@pytest.fixture
def web(data: Path) -> Iterator[Traffic]:
    """The same data on a web server."""
    traffic = Traffic()
    with serve(partial(PhotoHandler, traffic, directory=data)) as server:
        traffic.url = get_url(server)
        yield traffic


@pytest.fixture
def bucket(bucket_server: FileSystem, data: Path) -> str:  # noqa: F811
    """The URL of the same data in a bucket."""
    bucket_server.mkdir("season")
    upload(bucket_server, data)
    return "s3://season/2026"


def upload(system: FileSystem, data: Path) -> None:
    for path in data.rglob("*"):
        if path.is_file():
            key = f"2026/{path.relative_to(data)}"
            system.call_s3("put_object", Bucket="season", Key=key, Body=path.read_bytes())


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries again without a pause."""
    monkeypatch.setattr(remote, "PAUSES_S", (0.0,))


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The URLs that this process reads."""
    read, urls = remote.read_file, list[str]()

    def note(url: str) -> bytes:
        urls.append(url)
        return read(url)

    monkeypatch.setattr(remote, "read_file", note)
    return urls


def load(data: Path | str, store: Path, client: object = None) -> TrainingData:
    return load_training_data(open_folder(data), CONFIG, work_in(store, client), {})


def prepare(data: Path | str, store: Path, client: object = None) -> int:
    """Prepare the pictures of a folder; return how many were not in the store yet."""
    dataset, done = scan_dataset(open_folder(data)), list[None]()
    contract = draft_contract(dataset.labels, 32, "squash")
    open_cache(dataset, contract, work_in(store, client), lambda: done.append(None))
    return len(done)


def read_pictures(store: Path) -> bytes:
    return next(store.glob("*/pictures.u8")).read_bytes()


def describe(entry: Entry) -> tuple[object, ...]:
    return entry.file, entry.size, entry.sha256, entry.error, entry.info


def require_same(one: TrainingData, other: TrainingData) -> None:
    assert one.manifest == other.manifest
    assert one.contract == other.contract
    assert one.photographs == other.photographs
    assert (one.audit, one.left_out) == (other.audit, other.left_out)
    assert [*map(describe, one.cache.entries)] == [*map(describe, other.cache.entries)]
