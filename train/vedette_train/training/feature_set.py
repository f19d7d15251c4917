"""Features to fit a head to, and the sums over them."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from vedette_edge.head.covariance import Floats, Labels, Moments
from vedette_edge.head.cross_validation import (
    AT_A_TIME,
    Places,
    add_up,
    split_batches,
    sum_views,
)
from vedette_train.training.feature_cache import FeatureCache

if TYPE_CHECKING:
    from vedette_train.training.cluster_sums import SumTeam

THREADS = 4  # that sum up at most: each needs 220 MB for 3,840 features


@dataclass(frozen=True, slots=True, eq=False)  # arrays have no single answer to ==
class FeatureSet:
    """Features, labels and folds of the images to train on."""

    caches: Sequence[FeatureCache]  # of plain images, then of mirrored ones
    hashes: Sequence[str]  # SHA-256 of each image
    labels: Labels  # class index of each image
    folds: NDArray[np.intp]  # of each image
    open_team: "Callable[[FeatureSet], SumTeam | None]" = lambda _: None  # sums up many groups

    def views(self, places: Places) -> Iterator[Floats]:
        """The features of some images, a row each, view by view."""
        hashes = [self.hashes[place] for place in places]
        return (features.take(hashes) for features in self.caches)

    def sum_groups(
        self, groups: Iterable[Places], classes: int, origin: Floats
    ) -> Iterator[Moments]:
        """Yield the moments of each group of images, added up in the same order everywhere."""
        several = list(groups)
        team = self.open_team(self) if len(several) > 1 else None
        if team:
            return team.sum_groups(self, several, classes, origin)
        return (self._sum_group(group, classes, origin) for group in several)

    def _sum_group(self, group: Places, classes: int, origin: Floats) -> Moments:
        """Sum the batches of a group, in threads, since BLAS itself would round by theirs."""

        def sum_batch(places: Places) -> Moments:
            return sum_views(self.views(places), self.labels[places], classes, origin)

        threads = min(THREADS, len(os.sched_getaffinity(0)))
        with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads, "sum") as executor:
            sums = (  # no more at once than there are threads, as each is large
                one
                for places in split_batches(group, threads * AT_A_TIME)
                for one in executor.map(sum_batch, split_batches(places))
            )
            return add_up(sums, classes, origin)
