"""Photographs in a bucket and on a web server: the same data as those of a folder."""

import os
import shutil
from functools import partial
from pathlib import Path

import pytest
from tests.edge.dask_cluster import PLAIN, DaskCluster, cluster  # noqa: F401  a fixture
from tests.edge.servers import (
    FileSystem,
    bucket_server,  # noqa: F401  a fixture
)
from tests.train.data.remote.conftest import (
    ODD_NAME,
    Traffic,
    load,
    prepare,
    read_pictures,
    require_same,
)
from tests.train.workplaces import work_in

from vedette_train.data.discovery import scan_dataset
from vedette_train.data.image_cache import open_cache
from vedette_train.data.remote_folder import open_folder
from vedette_train.data.training_data import draft_contract
from vedette_train.errors import DatasetError


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
    os.utime(data / "disc" / "005.png", (1e9, 1e9))
    assert prepare(web.url, tmp_path) == 37
    assert sorted(web.asked) == ["/disc/003.png", "/disc/005.png"]


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


def test_a_bucket_without_classes_and_a_missing_one_are_errors(bucket: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"season/2026/bar/: no class found, expected at least"):
        load(f"{bucket}/bar", tmp_path)
    with pytest.raises(
        DatasetError, match=r"season/: one class, '2026' found.*mean s3://season/2026\?"
    ):
        load("s3://season", tmp_path)
    with pytest.raises(DatasetError, match=r"s3://nowhere/: not a folder"):
        load("s3://nowhere", tmp_path)
