"""Compute logits of images by heads that were not fitted to them."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vedette_edge.head.covariance import FewRows, Floats, Labels, Moments
from vedette_edge.head.discriminant import fit_discriminant

AT_A_TIME = 2048  # rows of features in memory

Way = tuple[Sequence[int], float]  # the widths of the blocks that a head reads, and its shrinkage


class FeatureRows(Protocol):
    """Features of training images, in memory or on disk."""

    @property
    def labels(self) -> Labels:
        """The class index of each image."""

    @property
    def folds(self) -> NDArray[np.intp]:
        """The fold 0, 1, ... of each image."""

    def views(self, places: NDArray[np.intp]) -> Iterator[Floats]:
        """Yield the features of some images, a row each: plain first, then mirrored."""


def read_rows(
    rows: FeatureRows, places: NDArray[np.intp], classes: int, width: int
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
    return sum_moments(rows, places, classes, width)


def sum_moments(
    rows: FeatureRows,
    places: NDArray[np.intp],
    classes: int,
    width: int,
    origin: Floats | None = None,
) -> Moments:
    """Sum the moments of the first `width` features over all views of some images.

    By default, the origin is the mean of some of the images.
    """
    if origin is None:
        some = places[:: -(-len(places) // AT_A_TIME)]
        origin = next(rows.views(some))[:, :width].mean(axis=0)
    sums = Moments.zeros(classes, origin)
    for some in split_batches(places):
        for features in rows.views(some):
            sums.add(features[:, :width], rows.labels[some])
    return sums


def score_out_of_fold(
    rows: FeatureRows,
    total: Moments | FewRows,
    ways: Sequence[Way],
    advance: Callable[[], None] = lambda: None,
) -> Floats:
    """Compute the logits of each fold by heads fitted to the rest: ways x images x classes.

    `total` is read from all images. Calls `advance` after each fit: for each fold and way.
    """
    classes, width = total.means.shape
    logits = np.empty((len(ways), len(rows.labels), classes), np.float32)
    for fold in np.unique(rows.folds):
        held_out = np.flatnonzero(rows.folds == fold)
        if isinstance(total, FewRows):
            rest: Moments | FewRows = total.without(held_out)
        else:
            rest = total - sum_moments(rows, held_out, classes, width, total.origin)
        heads = []
        for widths, share in ways:
            heads.append(fit_discriminant(rest.first(sum(widths)), widths, share))
            advance()
        for batch in split_batches(held_out):
            features = next(rows.views(batch))
            for place, head in enumerate(heads):
                logits[place, batch] = head.logits(features[:, : len(head.weights)])
    return logits


def split_batches(places: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    """Yield the places, AT_A_TIME at a time."""
    for start in range(0, len(places), AT_A_TIME):
        yield places[start : start + AT_A_TIME]
