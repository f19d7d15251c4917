"""Preparation by the workers of a real Dask cluster: the bytes of a machine that works alone."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.edge.dask_cluster import PLAIN, DaskCluster, cluster  # noqa: F401  a fixture
from tests.train.workplaces import work_in

from vedette_edge.cluster.session import open_cluster
from vedette_edge.errors import ClusterError
from vedette_train.data import image_cache
from vedette_train.data.cluster_preparation import (
    PreparationJob,
    prepare_shard,
    prove_preparation,
)
from vedette_train.data.discovery import scan_dataset
from vedette_train.data.image_cache import open_cache
from vedette_train.data.preparation import Entry, Row, create_entry
from vedette_train.data.training_data import draft_contract
from vedette_train.data.workplace import list_versions


@pytest.fixture
def data(draw_shapes: Callable[[Path, int], Path], tmp_path: Path) -> Path:
    """A data set with a picture that is cut off, and a file that is none."""
    folder = draw_shapes(tmp_path / "data", 20)
    cut = folder / "bar" / "000.png"
    cut.write_bytes(cut.read_bytes()[:200])
    (folder / "disc" / "000.png").write_text("no picture")
    return folder


def read_files(store: Path) -> dict[str, bytes]:
    names = ("pictures.u8", "index.csv")
    return {name: next(store.glob(f"*/{name}")).read_bytes() for name in names}


def test_a_cluster_prepares_the_same_bytes_and_only_what_is_new(
    cluster: DaskCluster,  # noqa: F811
    data: Path,
    tmp_path: Path,
) -> None:
    cluster.start_workers(PLAIN, PLAIN)
    counts = list[int]()

    def prepare(store: Path, client: object = None) -> None:
        dataset = scan_dataset(data)
        contract = draft_contract(dataset.labels, 32, "squash")
        done = list[None]()
        cache = open_cache(dataset, contract, work_in(store, client), lambda: done.append(None))
        counts.append(len(done))
        assert sum(bool(entry.error) for entry in cache.entries) == 2

    prepare(tmp_path / "here")
    with open_cluster(cluster.address, 0) as client:
        prepare(tmp_path / "there", client)
        assert read_files(tmp_path / "here") == read_files(tmp_path / "there")
        (data / "bar" / "new.png").write_bytes((data / "bar" / "003.png").read_bytes())
        prepare(tmp_path / "there", client)
        prepare(tmp_path / "there", client)
    prepare(tmp_path / "here")
    assert read_files(tmp_path / "here") == read_files(tmp_path / "there")
    assert counts == [60, 60, 61, 0, 61]


def test_workers_that_do_not_see_the_photographs_are_an_error(
    cluster: DaskCluster,  # noqa: F811
    data: Path,
    tmp_path: Path,
) -> None:
    cluster.start_workers(PLAIN)
    dataset = replace(scan_dataset(data), folder=tmp_path / "elsewhere")
    contract = draft_contract(dataset.labels, 32, "squash")
    with (
        open_cluster(cluster.address, 0) as client,
        pytest.raises(ClusterError, match="elsewhere: folder not found; all machines need"),
    ):
        open_cache(dataset, contract, work_in(tmp_path / "store", client), lambda: None)


def test_a_worker_with_other_versions_takes_no_part(data: Path) -> None:
    contract = draft_contract(("a", "b"), 32, "squash")
    versions = list_versions(("numpy", "no-such-package"))
    job = PreparationJob(data, contract, versions)
    assert prove_preparation(job) == job
    other = {**versions, "numpy": "0.1", "no-such-package": "2"}
    expected = f"numpy {versions['numpy']}, expected 0.1, no-such-package none, expected 2"
    with pytest.raises(ClusterError, match=expected):
        prove_preparation(replace(job, versions=other))


def test_what_a_worker_sees_otherwise_is_prepared_by_the_command(
    cluster: DaskCluster,  # noqa: F811
    data: Path,
    tmp_path: Path,
) -> None:
    """Its folder is empty, or has another copy."""
    contract = draft_contract(("a", "b"), 32, "squash")
    entry = create_entry(data, "bar/003.png")
    job = PreparationJob(data, contract, {})
    assert prepare_shard(job, [replace(entry, size=1)]) == [None]
    (tmp_path / "empty").mkdir()
    assert prepare_shard(replace(job, data=tmp_path / "empty"), [entry]) == [None]

    cluster.start_workers(
        "from vedette_train.data import cluster_preparation\n"
        "cluster_preparation._prepare = lambda preparer, entry: None\n"
    )
    dataset = scan_dataset(data)
    with open_cluster(cluster.address, 0) as client:
        there = open_cache(dataset, contract, work_in(tmp_path / "there", client), lambda: None)
    here = open_cache(dataset, contract, work_in(tmp_path / "here"), lambda: None)
    assert there.entries == here.entries
    assert read_files(tmp_path / "there") == read_files(tmp_path / "here")


def test_a_lost_cluster_keeps_what_was_prepared(
    cluster: DaskCluster,  # noqa: F811
    draw_shapes: Callable[[Path, int], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dataset = scan_dataset(draw_shapes(tmp_path / "data", 200))
    contract = draft_contract(dataset.labels, 32, "squash")
    cluster.start_workers(PLAIN)
    done, copied = list[None](), list[str]()

    def advance() -> None:
        done.append(None)
        if len(done) == 50:
            cluster.scheduler.kill()

    with (
        open_cluster(cluster.address, 0) as client,
        pytest.raises(ClusterError, match="the connection to the scheduler is lost"),
    ):
        open_cache(dataset, contract, work_in(tmp_path / "store", client), advance)
    assert 50 <= len(done) < 600
    load_row = image_cache._RowSource.load_row

    def note_copy(source: image_cache._RowSource, entry: Entry) -> tuple[Entry, Row]:
        copied.extend([entry.file] * source.has(entry))
        return load_row(source, entry)

    monkeypatch.setattr(image_cache._RowSource, "load_row", note_copy)
    cache = open_cache(dataset, contract, work_in(tmp_path / "store"), lambda: None)
    assert len(copied) == len(done)
    assert not any(entry.error for entry in cache.entries)
