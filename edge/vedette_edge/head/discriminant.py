"""Linear discriminant analysis with shrinkage: the last layer of a classifier in closed form.

Hastie, Tibshirani and Friedman, The Elements of Statistical Learning, 2nd edition, section 4.3;
the shrinkage towards a multiple of the identity is Friedman's, Regularized Discriminant Analysis,
1989, equation 18. It needs only sums over the feature rows, so rows are never in memory together.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEAF = 128  # columns up to which LAPACK factorizes
LEAST_SHRINKAGE = 0.01  # with less, rounding may make a covariance singular
LEAST_WITHIN = 0.01  # least share of all variance that counts as within classes
ROUNDING = 1e-5  # share of a feature's mean square below which its variance is rounding error

Floats = NDArray[np.float32]
Labels = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Moments:
    """Sums over feature rows, relative to an origin.

    The sums over some rows may be subtracted from those over all rows of the same origin. The
    origin changes no result, but near the mean it saves the digits that all rows share: with a
    camera that never moves, these are most digits.
    """

    counts: NDArray[np.float64]  # rows, by class
    sums: NDArray[np.float64]  # class x feature
    products: Floats  # feature x feature: the sum of the rows' outer products
    origin: Floats  # feature

    @classmethod
    def zeros(cls, classes: int, origin: Floats) -> "Moments":
        """Return the moments of no rows."""
        width = len(origin)
        products = np.zeros((width, width), np.float32)
        return cls(np.zeros(classes), np.zeros((classes, width)), products, origin)

    def add(self, features: Floats, labels: Labels) -> None:
        """Add rows of features: float32, rows x width, and the class index of each."""
        members = np.zeros((len(self.counts), len(labels)), np.float32)
        members[labels, np.arange(len(labels))] = 1
        centred = features - self.origin
        self.counts[:] += members.sum(axis=1)
        self.sums[:] += members @ centred
        self.products[:] += centred.T @ centred

    def __sub__(self, some: "Moments") -> "Moments":
        products = self.products - some.products
        return Moments(self.counts - some.counts, self.sums - some.sums, products, self.origin)

    def first(self, width: int) -> "Moments":
        """Return the moments of the first `width` features."""
        products = self.products[:width, :width]
        return Moments(self.counts, self.sums[:, :width], products, self.origin[:width])


@dataclass(frozen=True, slots=True)
class Discriminant:
    """A linear layer: `features @ weights + biases` gives a logit for each class.

    A logit is the log-likelihood ratio of its class and a class at the mean of all classes.
    """

    weights: Floats  # feature x class; each row sums to 0
    biases: Floats  # class
    middle: Floats  # feature: the mean of the class means
    gram: NDArray[np.float64]  # class x class: scalar products of the whitened class means
    scales: tuple[float, ...]  # by which the features of each block were divided

    def logits(self, features: Floats) -> Floats:
        """The logits of rows of features: float32, rows x classes."""
        return np.asarray(features @ self.weights + self.biases, np.float32)


def fit_discriminant(moments: Moments, widths: Sequence[int], shrinkage: float) -> Discriminant:
    """Fit the layer; every class needs at least one row.

    `widths` are the numbers of features of the blocks, in their order. Each block is divided by
    the root of its mean variance, so that shrinkage treats all alike. `shrinkage` is
    LEAST_SHRINKAGE to 1.
    """
    means = moments.sums / moments.counts[:, None]
    middle = means.mean(axis=0)
    variances, noise = _compute_variances(moments)
    scales = _compute_block_scales(variances, noise, widths)
    by_feature = np.repeat(scales, widths).astype(np.float32)
    by_feature[variances <= noise] = np.inf  # a feature that never changes has no weight
    offsets = ((means - middle) / by_feature).astype(np.float32)
    within = _compute_covariance(moments, means, by_feature)
    _shrink(within, shrinkage)
    _factorize(within)
    directions = _solve_transposed(within, _solve_lower(within, offsets.T))
    gram = offsets.astype(np.float64) @ directions
    weights = directions / by_feature[:, None]
    middle += moments.origin
    biases = -0.5 * np.diag(gram) - middle @ weights
    return Discriminant(
        np.asarray(weights, np.float32),
        np.asarray(biases, np.float32),
        np.asarray(middle, np.float32),
        (gram + gram.T) / 2,
        tuple(scales.tolist()),
    )


def _compute_variances(moments: Moments) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The variance of each feature, and the variance below which it is rounding error."""
    rows = moments.counts.sum()
    squares = np.diag(moments.products) / rows
    variances = squares - (moments.sums.sum(axis=0) / rows) ** 2
    return np.maximum(variances, 0), squares * ROUNDING


def _compute_block_scales(
    variances: NDArray[np.float64], noise: NDArray[np.float64], widths: Sequence[int]
) -> NDArray[np.float64]:
    starts = np.cumsum([0, *widths[:-1]])
    by_block, least = (np.add.reduceat(one, starts) / widths for one in (variances, noise))
    least = np.maximum(least, np.finfo(np.float32).tiny)
    return np.asarray(np.sqrt(np.maximum(by_block, least)))


def _compute_covariance(moments: Moments, means: NDArray[np.float64], by_feature: Floats) -> Floats:
    """The pooled within-class covariance of the scaled features."""
    covariance = moments.sums.T.astype(np.float32) @ means.astype(np.float32)  # between classes
    np.subtract(moments.products, covariance, out=covariance)
    covariance /= np.float32(moments.counts.sum())
    covariance /= by_feature
    covariance /= by_feature[:, None]
    return covariance


def _shrink(covariance: Floats, share: float) -> None:
    """Move a covariance towards the multiple of the identity that has the same trace.

    The features' variance over all classes is 1. If classes hardly vary in themselves, that
    variation is rounding error.
    """
    width = len(covariance)
    level = max(float(covariance.trace()) / width, LEAST_WITHIN)
    covariance *= np.float32(1 - share)
    covariance.flat[:: width + 1] += np.float32(share * level)


def _factorize(matrix: Floats) -> None:
    """Overwrite a symmetric positive definite matrix with its lower Cholesky factor, by halves.

    Almost all of the work is matrix products, which numpy computes several times faster than
    LAPACK factorizes. The leaves on the diagonal become inverses, ready for multiplication.
    """
    half = len(matrix) // 2
    if len(matrix) <= LEAF:
        matrix[:] = np.linalg.inv(np.linalg.cholesky(matrix))
        return
    first, below, last = matrix[:half, :half], matrix[half:, :half], matrix[half:, half:]
    _factorize(first)
    below[:] = _solve_lower(first, matrix[:half, half:]).T
    last -= below @ below.T
    _factorize(last)


def _solve_lower(factor: Floats, right: Floats) -> Floats:
    """Solve for the Cholesky factor."""
    half = len(factor) // 2
    if len(factor) <= LEAF:
        return factor @ right
    top = _solve_lower(factor[:half, :half], right[:half])
    bottom = _solve_lower(factor[half:, half:], right[half:] - factor[half:, :half] @ top)
    return np.concatenate([top, bottom])


def _solve_transposed(factor: Floats, right: Floats) -> Floats:
    """Solve for the transpose of the Cholesky factor."""
    half = len(factor) // 2
    if len(factor) <= LEAF:
        return factor.T @ right
    bottom = _solve_transposed(factor[half:, half:], right[half:])
    top = _solve_transposed(factor[:half, :half], right[:half] - factor[half:, :half].T @ bottom)
    return np.concatenate([top, bottom])
