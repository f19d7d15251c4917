"""Sums over features by the workers of a Dask cluster that see the store."""

import hashlib
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from vedette_edge.errors import ClusterError
from vedette_edge.head.covariance import Floats, Labels, Moments
from vedette_edge.head.cross_validation import (
    AT_A_TIME,
    Places,
    add_up,
    split_batches,
    sum_views,
)
from vedette_train.data.workplace import Versions, Workplace, list_versions, require_versions

if TYPE_CHECKING:
    from vedette_edge.cluster.team import Team
    from vedette_train.training.feature_set import FeatureSet

PACKAGES = ("vedette-edge", "vedette-train", "numpy")
PROBED = AT_A_TIME  # images: a whole batch, since BLAS cuts up long sums


@dataclass(frozen=True, slots=True)
class View:
    """Rows in a file of features."""

    path: Path  # absolute
    width: int  # of a row
    rows: NDArray[np.int64]
    crc32s: NDArray[np.uint32]  # of the rows

    def read(self, places: Places) -> Floats:
        """Read some of the rows. Raises ClusterError if they are not what was written."""
        try:
            shape = (int(self.rows.max()) + 1, self.width)
            some = np.array(np.memmap(self.path, np.float32, "r", shape=shape)[self.rows[places]])
        except (OSError, ValueError) as error:  # the latter: it is too short
            reason = getattr(error, "strerror", None) or error
            raise ClusterError(f"{self.path}: {reason}; all machines need the store") from error
        if [zlib.crc32(row) for row in some] != self.crc32s[places].tolist():
            raise ClusterError(f"{self.path}: other features than those that were written")
        return some


@dataclass(frozen=True, slots=True)
class Group:
    """Images to sum up."""

    views: Sequence[View]
    labels: Labels
    classes: int
    origin: Floats


@dataclass(frozen=True, slots=True)
class SumJob:
    """Some images, their sums on the machine of the command, and what these depend on."""

    probe: Group
    digest: str
    versions: Versions


@dataclass(frozen=True, slots=True)
class SumTeam:
    """Workers that sum up."""

    team: "Team[None]"

    def sum_groups(
        self, features: "FeatureSet", groups: Sequence[Places], classes: int, origin: Floats
    ) -> Iterator[Moments]:
        """Yield the moments of each group of images."""
        tasks = (describe_group(features, group, classes, origin) for group in groups)
        with closing(self.team.map_in_order(sum_on_worker, tasks, ahead=1)) as results:
            yield from results


def open_team(place: Workplace, features: "FeatureSet") -> SumTeam | None:
    """Have the workers of the cluster open the files of features.

    None if there is no cluster, or if no worker sees them.
    """
    if place.cluster is None:
        return None
    origin = np.zeros(features.caches[0].width, np.float32)
    places = np.arange(min(PROBED, len(features.hashes)))
    probe = describe_group(features, places, int(features.labels.max()) + 1, origin)
    with threadpool_limits(1, "blas"):
        digest = _hash_moments(sum_group(probe))
    job = SumJob(probe, digest, list_versions(PACKAGES))
    try:
        return SumTeam(place.gather_team(partial(prove_sums, job)))
    except ClusterError as error:
        place.output.err.print(f"this machine sums up the features: {error}")
        return None


def describe_group(features: "FeatureSet", group: Places, classes: int, origin: Floats) -> Group:
    """Describe where the features of some images are."""
    hashes = [features.hashes[place] for place in group]
    views = [
        View(cache.path.absolute(), cache.width, *cache.locate(hashes)) for cache in features.caches
    ]
    return Group(views, features.labels[group], classes, origin)


def prove_sums(job: SumJob) -> None:
    """Check, on a worker, that it sees the store and sums up as the command does.

    Raises ClusterError.
    """
    require_versions(job.versions)
    threadpool_limits(1, "blas")  # for good: other threads of the worker sum up meanwhile
    if _hash_moments(sum_group(job.probe)) != job.digest:
        raise ClusterError(
            "it computes other sums than the machine of the command; is its processor of another "
            "kind?"
        )


def sum_on_worker(_: None, group: Group) -> Moments:
    """Sum up a group."""
    return sum_group(group)


def sum_group(group: Group) -> Moments:
    """Sum up a group, batch by batch. BLAS rounds by its threads: it has one here."""
    sums = (
        sum_views(
            (view.read(places) for view in group.views),
            group.labels[places],
            group.classes,
            group.origin,
        )
        for places in split_batches(np.arange(len(group.labels)))
    )
    return add_up(sums, group.classes, group.origin)


def _hash_moments(moments: Moments) -> str:
    digest = hashlib.sha256(moments.products.tobytes())
    digest.update(moments.sums.tobytes())
    return digest.hexdigest()
