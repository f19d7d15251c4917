"""Servers of photographs that fail, and workers that read from servers."""

import os
from pathlib import Path
from urllib.parse import quote

import pytest
from tests.edge.dask_cluster import PLAIN, DaskCluster, cluster  # noqa: F401  a fixture
from tests.edge.servers import (
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

from vedette_edge.cluster.session import open_cluster
from vedette_edge.errors import ClusterError, RemoteError
from vedette_train.data import image_cache
from vedette_train.data.cluster_preparation import FILES_PER_SHARD
from vedette_train.data.decoder_messages import DecoderMessages
from vedette_train.data.image_info import ImageInfo
from vedette_train.data.preparation import (
    UNCHECKED,
    UNPREPARED,
    Entry,
    Preparer,
    check_entries,
)
from vedette_train.data.remote_folder import open_folder
from vedette_train.data.training_data import draft_contract

NO_FSSPEC = "import sys\nsys.modules['fsspec'] = None\n"
NO_PICTURES = """
from vedette_train.data import cluster_preparation
def read_file(data, file):
    raise FileNotFoundError(2, "No such file or directory", file)
cluster_preparation.read_file = read_file
"""


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


def test_what_is_prepared_is_kept_where_all_files_have_changed(
    web: Traffic, data: Path, tmp_path: Path
) -> None:
    prepare(web.url, tmp_path / "store")
    for path in data.rglob("*.*"):
        os.utime(path, (1e9, 1e9))
    web.reset()
    web.most = 30
    with pytest.raises(RemoteError, match="is kept: repeat the command"):
        prepare(web.url, tmp_path / "store")
    web.reset()
    prepare(web.url, tmp_path / "store")
    assert 0 < len(set(web.asked)) < 30


def test_after_ctrl_c_nothing_is_read_from_a_server(web: Traffic) -> None:
    contract = draft_contract(("a", "b"), 32, "squash")
    preparer = Preparer(open_folder(web.url), contract, DecoderMessages(-1))
    entry = Entry("bar/001.png", 1, 1, info=ImageInfo(unused=UNCHECKED))
    (left,), failure = check_entries(preparer, [entry], interrupt := KeyboardInterrupt())
    assert (left.mtime_ns, failure) == (UNPREPARED, interrupt)
    assert web.asked == []


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
        (NO_PICTURES, "No such file or directory; the command can read it, so check this worker"),
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
    assert len(set(web.asked)) == 37 - FILES_PER_SHARD
    prepare(data, tmp_path / "here")
    assert read_pictures(tmp_path / "here") == read_pictures(tmp_path / "store")
