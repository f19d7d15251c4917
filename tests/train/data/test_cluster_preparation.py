"""Preparation by the workers of a real Dask cluster: the bytes of a machine that works alone."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.edge.dask_cluster import PLAIN, DaskCluster, cluster  # noqa: F401  a fixture
from tests.train.workplaces import work_in

from vedette_edge.cluster.session import find_version, open_cluster
from vedette_edge.errors import ClusterError
from vedette_edge.images.decoding import list_optional_formats
from vedette_train.data.cluster_preparation import PreparationJob, prove_preparation
from vedette_train.data.discovery import scan_dataset
from vedette_train.data.image_cache import open_cache
from vedette_train.data.training_data import draft_contract


@pytest.fixture
def data(draw_shapes: Callable[[Path, int], Path], tmp_path: Path) -> Path:
    """A data set with a picture that is cut off, and a file that is none."""
    folder = draw_shapes(tmp_path / "data", 20)
    cut = folder / "bar" / "000.png"
    cut.write_bytes(cut.read_bytes()[:200])
    (folder / "disc" / "000.png").write_text("no picture")
    return folder


def read_files(store: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in store.glob("*/[!l.]*")}


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
        pytest.raises(ClusterError, match="elsewhere: not there; all machines need the photograph"),
    ):
        open_cache(dataset, contract, work_in(tmp_path / "store", client), lambda: None)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"version": "0.0.9"}, "is installed, expected 0.0.9"),
        ({"formats": ("JPEG XL",)}, "expected JPEG XL"),
        ({"formats": ()}, "expected none"),
    ],
)
def test_a_worker_proves_that_it_prepares_alike(
    data: Path, changes: dict[str, object], reason: str
) -> None:
    contract = draft_contract(("a", "b"), 32, "squash")
    job = PreparationJob(data, contract, find_version(), list_optional_formats())
    answer = prove_preparation(replace(job, **changes))  # type: ignore[arg-type]  # of any field
    assert answer.endswith(reason)
    assert bool(answer) == bool(reason)
