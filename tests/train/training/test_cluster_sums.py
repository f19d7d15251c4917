"""The cluster and the command compute the same sums, byte for byte."""

import io
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from rich.console import Console
from tests.edge.dask_cluster import PLAIN, DaskCluster, cluster  # noqa: F401  a fixture

from vedette_edge.cluster.session import open_cluster
from vedette_edge.console import Output
from vedette_edge.errors import ClusterError
from vedette_edge.head import cross_validation
from vedette_edge.head.covariance import Moments
from vedette_edge.head.cross_validation import AT_A_TIME, Places, read_rows
from vedette_edge.head.record import Block
from vedette_train.data.workplace import Cluster, Workplace
from vedette_train.training import cluster_sums
from vedette_train.training.cluster_sums import describe_group, open_team
from vedette_train.training.discriminant_head import HeadOptions, fit_head
from vedette_train.training.feature_cache import FeatureCache
from vedette_train.training.feature_set import FeatureSet

COUNT, WIDTH, CLASSES = 2 * AT_A_TIME + 700, 96, 5
OTHER_PROCESSOR = """
import numpy as np
from vedette_train.training import cluster_sums
def round_otherwise(self, features, labels, add=cluster_sums.Moments.add):
    add(self, np.nextafter(features, np.float32(1)), labels)
cluster_sums.Moments.add = round_otherwise
"""


@pytest.fixture
def features(tmp_path: Path) -> FeatureSet:
    """Features on disk, in another order than that of the images."""
    random = np.random.default_rng(0)
    hashes = [f"{number:064x}" for number in random.permutation(COUNT)]
    caches = [FeatureCache(tmp_path / f"{name}.f32", WIDTH) for name in ("plain", "mirrored")]
    for one in caches:
        one.append(sorted(hashes), random.normal(0.4, 1, (COUNT, WIDTH)).astype(np.float32))
    labels = random.integers(0, CLASSES, COUNT)
    return FeatureSet(caches, hashes, labels, np.arange(COUNT) % 4)


@pytest.fixture(autouse=True)
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two groups, the first of which has two batches."""
    monkeypatch.setattr(cross_validation, "GROUP", AT_A_TIME + 600)


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


def work_with(stream: io.StringIO, client: Cluster) -> Workplace:
    console = Console(file=stream, width=300)
    return Workplace(Output(console, console), Path(), client)


def sum_up(features: FeatureSet) -> Moments:
    moments = read_rows(features, np.arange(COUNT), CLASSES, WIDTH - 6, features.sum_groups)
    assert isinstance(moments, Moments)
    return moments


def require_equal_bytes(one: Moments, other: Moments) -> None:
    for name in ("counts", "sums", "products", "origin"):
        assert getattr(one, name).tobytes() == getattr(other, name).tobytes(), name


def test_workers_sum_up_to_the_same_bytes(
    cluster: DaskCluster,  # noqa: F811
    features: FeatureSet,
    stream: io.StringIO,
) -> None:
    here = sum_up(features)
    cluster.start_workers(PLAIN, OTHER_PROCESSOR)
    asked = list[FeatureSet]()
    with open_cluster(cluster.address, 0) as client:

        def open_and_note(features: FeatureSet) -> cluster_sums.SumTeam | None:
            asked.append(features)
            return open_team(work_with(stream, client), features)

        there = FeatureSet(
            features.caches, features.hashes, features.labels, features.folds, open_and_note
        )
        require_equal_bytes(sum_up(there), here)
    assert asked == [there]
    assert stream.getvalue().count("left out") == 1
    assert "it computes other sums than the machine of the command" in stream.getvalue()


HASH_SUMS = """
import hashlib, os, sys
import numpy as np
from pathlib import Path
from threadpoolctl import threadpool_limits
from vedette_edge.head.cross_validation import read_rows
from vedette_train.training import feature_set
from vedette_train.training.feature_cache import FeatureCache
os.sched_getaffinity = lambda _: range(8)  # processors
caches = [FeatureCache(Path(path), 96) for path in sys.argv[1:]]
hashes = sorted(caches[0]._places)
labels = np.arange(len(hashes)) % 5
features = feature_set.FeatureSet(caches, hashes, labels, labels)
for threads in (1, 3):
    feature_set.THREADS = threads
    threadpool_limits(threads, "blas")
    sums = read_rows(features, np.arange(len(hashes)), 5, 90, features.sum_groups)
    print(hashlib.sha256(sums.products.tobytes() + sums.sums.tobytes()).hexdigest())
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="OpenBLAS has this kernel for x86 alone")
def test_the_number_of_threads_changes_no_bit(features: FeatureSet) -> None:
    """With instructions of Haswell, those of AVX-512 happen to round alike."""
    done = subprocess.run(
        [sys.executable, "-c", HASH_SUMS, *(str(cache.path) for cache in features.caches)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"OPENBLAS_CORETYPE": "Haswell"},
    )
    one, several = done.stdout.split()
    assert one == several


def test_the_head_of_a_cluster_is_that_of_one_machine(
    cluster: DaskCluster,  # noqa: F811
    features: FeatureSet,
    stream: io.StringIO,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster.start_workers(PLAIN, PLAIN)
    sum_there, groups = cluster_sums.SumTeam.sum_groups, list[int]()

    def note_groups(
        summing: cluster_sums.SumTeam, features: FeatureSet, places: list[Places], *rest: Any
    ) -> Iterator[Moments]:
        groups.append(len(places))
        return sum_there(summing, features, places, *rest)

    monkeypatch.setattr(cluster_sums.SumTeam, "sum_groups", note_groups)
    monkeypatch.setattr(cross_validation, "GROUP", 600)
    labels = tuple(map(str, range(CLASSES)))
    options = HeadOptions(labels, 0.9, WIDTH)
    blocks = (Block("head.5", 56), Block("head.6", 40))
    with open_cluster(cluster.address, 0) as client:
        place = work_with(stream, client)
        team = cache(partial(open_team, place))
        there = fit_head(replace(features, open_team=team), blocks, options, place.output)
    here = fit_head(features, blocks, options, place.output)
    assert groups == [8, 2, 2, 2, 2]  # of all, and of each fold
    assert here.record == there.record
    assert here.head.temperature == there.head.temperature
    for name in ("weights", "biases"):
        ours, theirs = (getattr(one.head.discriminant, name) for one in (here, there))
        assert ours.tobytes() == theirs.tobytes()


def test_without_a_shared_store_the_command_sums_up(
    cluster: DaskCluster,  # noqa: F811
    features: FeatureSet,
    stream: io.StringIO,
) -> None:
    cluster.start_workers(
        "from vedette_train.training import cluster_sums\n"
        "def open_nothing(path, *_, **__): raise FileNotFoundError(2, 'No such file', str(path))\n"
        "cluster_sums.np.memmap = open_nothing\n"
    )
    with open_cluster(cluster.address, 0) as client:
        assert open_team(work_with(stream, client), features) is None
    assert "plain.f32: No such file; all machines need the store" in stream.getvalue()
    assert stream.getvalue().splitlines()[-1].startswith("this machine sums up the features: ")


def read_first(features: FeatureSet) -> NDArray[np.float32]:
    group = describe_group(features, np.arange(3), CLASSES, np.zeros(WIDTH, np.float32))
    return group.views[0].read(np.arange(3))


def test_other_features_than_those_that_were_written_are_an_error(features: FeatureSet) -> None:
    path = features.caches[0].path
    np.testing.assert_array_equal(read_first(features), next(features.views(np.arange(3))))
    content = path.read_bytes()
    path.write_bytes(bytes(len(content)))
    with pytest.raises(ClusterError, match="other features than those that were written"):
        read_first(features)
    path.write_bytes(content[:99])
    with pytest.raises(ClusterError, match="all machines need the store"):
        read_first(features)
