"""Compute logits of images by heads that were not fitted to them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vedette_edge.head.covariance import FewRows, Floats, Labels, Moments
from vedette_edge.head.discriminant import fit_discriminant

AT_A_TIME = 2048  # images whose features are in memory
GROUP = 8 * AT_A_TIME  # images that are summed up apart

Places = NDArray[np.intp]
Way = tuple[Sequence[int], float]  # the widths of the blocks that a head reads, and its shrinkage


class FeatureRows(Protocol):
    """Features of training images, in memory or on disk."""

    @property
    def labels(self) -> Labels:
        """The class index of each image."""

    @property
    def folds(self) -> NDArray[np.intp]:
        """The fold 0, 1, ... of each image."""

    def views(self, places: Places) -> Iterator[Floats]:
        """Yield the features of some images, a row each: plain first, then mirrored."""


# Yields the moments of each group of images, relative to an origin: groups, classes, origin.
SumGroups = Callable[[Iterable[Places], int, Floats], Iterable[Moments]]


def read_rows(
    rows: FeatureRows,
    places: Places,
    classes: int,
    width: int,
    sum_groups: SumGroups | None = None,
) -> Moments | FewRows:
    """Read the first `width` features of all views of some images, to fit a head to them.

    They stay as they are if they have at most half as many rows as features, else they are summed.
    """
    if 2 * len(places) <= width:
        views = [features[:, :width] for features in rows.views(places)]
        if 2 * len(places) * len(views) <= width:
            origin = views[0].mean(axis=0)
            labels, images = (np.tile(one, len(views)) for one in (rows.labels[places], places))
            return FewRows(np.concatenate(views) - origin, labels, images, classes, origin)
    some = places[:: -(-len(places) // AT_A_TIME)]
    origin = next(rows.views(some))[:, :width].mean(axis=0)
    return sum_moments(rows, places, classes, origin, sum_groups)


def sum_moments(
    rows: FeatureRows,
    places: Places,
    classes: int,
    origin: Floats,
    sum_groups: SumGroups | None = None,
) -> Moments:
    """Sum the moments of all views of some images; of as many features as the origin has.

    Floating-point sums depend on their order. Groups are summed up one by one, and then together,
    so that `sum_groups` may do that elsewhere.
    """
    groups = split_batches(places, GROUP)
    sums = (sum_groups or partial(_sum_groups, rows))(groups, classes, origin)
    return add_up(sums, classes, origin)


def _sum_groups(
    rows: FeatureRows, groups: Iterable[Places], classes: int, origin: Floats
) -> Iterator[Moments]:
    for group in groups:
        sums = (
            sum_views(rows.views(places), rows.labels[places], classes, origin)
            for places in split_batches(group)
        )
        yield add_up(sums, classes, origin)


def add_up(sums: Iterable[Moments], classes: int, origin: Floats) -> Moments:
    """Add up moments in their order."""
    total = Moments.zeros(classes, origin)
    for some in sums:
        total += some
    return total


def sum_views(views: Iterable[Floats], labels: Labels, classes: int, origin: Floats) -> Moments:
    """Sum the moments of the views of a batch of images."""
    sums = Moments.zeros(classes, origin)
    for features in views:
        sums.add(features[:, : len(origin)], labels)
    return sums


def score_out_of_fold(
    rows: FeatureRows,
    total: Moments | FewRows,
    ways: Sequence[Way],
    advance: Callable[[], None] = lambda: None,
    sum_groups: SumGroups | None = None,
) -> Floats:
    """Compute the logits of each fold by heads fitted to the rest: ways x images x classes.

    `total` is read from all images. Calls `advance` after each fit: for each fold and way.
    """
    classes, _ = total.means.shape
    logits = np.empty((len(ways), len(rows.labels), classes), np.float32)
    for fold in np.unique(rows.folds):
        held_out = np.flatnonzero(rows.folds == fold)
        if isinstance(total, FewRows):
            rest: Moments | FewRows = total.without(held_out)
        else:
            rest = total - sum_moments(rows, held_out, classes, total.origin, sum_groups)
        heads = []
        for widths, share in ways:
            heads.append(fit_discriminant(rest.first(sum(widths)), widths, share))
            advance()
        for batch in split_batches(held_out):
            features = next(rows.views(batch))
            for place, head in enumerate(heads):
                logits[place, batch] = head.logits(features[:, : len(head.weights)])
    return logits


def split_batches(places: Places, size: int = AT_A_TIME) -> Iterator[Places]:
    """Yield the places, so many at a time."""
    for start in range(0, len(places), size):
        yield places[start : start + size]
