"""Photographs in a bucket and on a web server: the same data as those of a folder."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

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

from vedette_edge.cluster.session import open_cluster
from vedette_edge.errors import ClusterError, RemoteError
from vedette_edge.images import remote
from vedette_train.config import TrainConfig
from vedette_train.data import image_cache
from vedette_train.data.discovery import scan_dataset
from vedette_train.data.image_cache import open_cache
from vedette_train.data.preparation import Entry
from vedette_train.data.remote_folder import open_folder
from vedette_train.data.training_data import TrainingData, draft_contract, load_training_data
from vedette_train.errors import DatasetError

CONFIG = TrainConfig(size=32)
ODD_NAME = "été #1%20?.jpg"
NO_FSSPEC = "import sys\nsys.modules['fsspec'] = None\n"
NO_PICTURES = """
from vedette_train.data import cluster_preparation
def read_file(data, file):
    raise FileNotFoundError(2, "No such file or directory", file)
cluster_preparation.read_file = read_file
"""


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


def test_a_bucket_and_a_folder_give_the_same_data(bucket: str, data: Path, tmp_path: Path) -> None:
    here, there = load(data, tmp_path / "here"), load(bucket, tmp_path / "there")
    require_same(here, there)
    assert read_pictures(tmp_path / "here") == read_pictures(tmp_path / "there")
    assert there.contract.labels == ("bar", "carré 2+2", "disc")
    assert set(there.left_out) == {"bar/000.png", "disc/000.png", "disc/notes.txt"}
    (odd,) = (entry for entry in there.cache.entries if entry.file == f"bar/{ODD_NAME}")
    assert odd.info.unused


def test_a_web_server_and_a_folder_give_the_same_data(
    web: Traffic, data: Path, tmp_path: Path
) -> None:
    here, there = load(data, tmp_path / "here"), load(web.url, tmp_path / "there")
    require_same(here, there)
    assert read_pictures(tmp_path / "here") == read_pictures(tmp_path / "there")


def test_of_a_bucket_only_what_has_changed_is_read_again(
    bucket: str,
    bucket_server: FileSystem,  # noqa: F811
    data: Path,
    tmp_path: Path,
    reads: list[str],
) -> None:
    load(bucket, tmp_path / "store")
    assert len(set(reads)) == 37
    reads.clear()
    load(bucket, tmp_path / "store")
    assert reads == []
    shutil.copy(data / "disc" / "003.png", data / "disc" / "000.png")
    upload_one = partial(bucket_server.call_s3, "put_object", Bucket="season")
    upload_one(Key="2026/disc/000.png", Body=(data / "disc" / "000.png").read_bytes())
    require_same(load(data, tmp_path / "here"), load(bucket, tmp_path / "store"))
    assert reads == [f"{bucket}/disc/000.png"]


def test_of_a_web_server_only_what_has_changed_is_read_again(
    web: Traffic, data: Path, tmp_path: Path
) -> None:
    assert prepare(web.url, tmp_path) == 37
    web.asked.clear()
    assert prepare(web.url, tmp_path) == 0
    assert web.asked == []
    (data / "disc" / "003.png").write_bytes((data / "disc" / "004.png").read_bytes() + b"more")
    assert prepare(web.url, tmp_path) == 37
    assert web.asked == ["/disc/003.png"]


def test_a_file_whose_age_nobody_knows_is_read_each_time(web: Traffic, tmp_path: Path) -> None:
    web.dates = False
    for _ in range(2):
        web.asked.clear()
        prepare(web.url, tmp_path)
        assert len(set(web.asked)) == 37


def test_a_picture_that_is_gone_meanwhile_is_left_out(
    web: Traffic, data: Path, tmp_path: Path
) -> None:
    dataset = scan_dataset(open_folder(web.url))
    (data / "disc" / "003.png").unlink()
    contract = draft_contract(dataset.labels, 32, "squash")
    cache = open_cache(dataset, contract, work_in(tmp_path / "store"), lambda: None)
    errors = {entry.file: entry.error for entry in cache.entries if entry.error}
    assert errors["disc/003.png"] == "there is no such picture"
    assert len(errors) == 3


@pytest.mark.parametrize("most", [20, 37])
def test_a_server_that_fails_ends_with_an_error_and_the_next_run_goes_on(
    web: Traffic, data: Path, tmp_path: Path, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle; or at the end, when a picture with unused bytes is decoded once more."""
    monkeypatch.setattr(image_cache, "READERS", 1)
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    web.most = most
    with pytest.raises(RemoteError, match=r"503.* is kept: repeat the command"):
        prepare(web.url, tmp_path / "store")
    kept = set(web.asked[:most])
    web.reset()
    prepare(web.url, tmp_path / "store")
    assert set(web.asked) & kept <= {f"/bar/{quote(ODD_NAME)}"}
    assert web.asked
    assert len(set(web.asked) | kept) == 37
    prepare(data, tmp_path / "here")
    assert read_pictures(tmp_path / "here") == read_pictures(tmp_path / "store")


def test_a_bucket_without_classes_and_a_missing_one_are_errors(bucket: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"season/2026/bar/: no class found, expected at least"):
        load(f"{bucket}/bar", tmp_path)
    with pytest.raises(
        DatasetError, match=r"season/: one class, '2026' found.*mean s3://season/2026\?"
    ):
        load("s3://season", tmp_path)
    with pytest.raises(DatasetError, match=r"s3://nowhere/: not a folder"):
        load("s3://nowhere", tmp_path)


def test_a_cluster_prepares_the_same_bytes(
    bucket: str,
    cluster: DaskCluster,  # noqa: F811
    data: Path,
    tmp_path: Path,
    reads: list[str],
) -> None:
    cluster.start_workers(PLAIN, NO_FSSPEC, PLAIN)
    with open_cluster(cluster.address, 0) as client:
        there = load(bucket, tmp_path / "there", client)
        assert prepare(bucket, tmp_path / "there", client) == 0
    assert reads == [f"{bucket}/bar/000.png"]  # to know that workers have to read it
    require_same(load(data, tmp_path / "here"), there)
    assert read_pictures(tmp_path / "here") == read_pictures(tmp_path / "there")


@pytest.mark.parametrize(
    ("preload", "reason"),
    [
        (NO_FSSPEC, "needs the package fsspec: pip install 'vedette-edge"),
        (NO_PICTURES, "No such file or directory; all machines need the photographs"),
    ],
)
def test_a_worker_that_cannot_read_pictures_takes_no_part(
    web: Traffic,
    cluster: DaskCluster,  # noqa: F811
    tmp_path: Path,
    preload: str,
    reason: str,
) -> None:
    cluster.start_workers(preload)
    with (
        open_cluster(cluster.address, 0) as client,
        pytest.raises(ClusterError, match=reason),
    ):
        prepare(web.url, tmp_path, client)


def test_a_server_that_fails_a_worker_ends_with_an_error_and_keeps_what_is_prepared(
    web: Traffic,
    cluster: DaskCluster,  # noqa: F811
    data: Path,
    tmp_path: Path,
) -> None:
    cluster.start_workers("from vedette_edge.images import remote\nremote.PAUSES_S = ()\n")
    web.most = 25
    with (
        open_cluster(cluster.address, 0) as client,
        pytest.raises(RemoteError, match=r"503.* is kept: repeat the command"),
    ):
        prepare(web.url, tmp_path / "store", client)
    web.reset()
    prepare(web.url, tmp_path / "store")
    assert len(set(web.asked)) == 37 - 16
    prepare(data, tmp_path / "here")
    assert read_pictures(tmp_path / "here") == read_pictures(tmp_path / "store")
