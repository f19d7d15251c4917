"""Linear discriminant analysis with shrinkage: the last layer of a classifier in closed form.

Hastie, Tibshirani and Friedman, The Elements of Statistical Learning, 2nd edition, section 4.3.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vedette_edge.head.covariance import FewRows, Floats, Moments

ROUNDING = 1e-5  # share of a feature's mean square below which its variance is rounding error


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


def fit_discriminant(
    rows: Moments | FewRows, widths: Sequence[int], shrinkage: float
) -> Discriminant:
    """Fit the layer; every class needs at least one row.

    `widths` are the numbers of features of the blocks, in their order. Each block is divided by
    the root of its mean variance, so that shrinkage treats all alike. `shrinkage` is
    LEAST_SHRINKAGE to 1.
    """
    means = rows.means
    middle = means.mean(axis=0)
    variances, noise = _compute_variances(rows)
    scales = _compute_block_scales(variances, noise, widths)
    by_feature = np.repeat(scales, widths).astype(np.float32)
    by_feature[variances <= noise] = np.inf  # a feature that never changes has no weight
    offsets = ((means - middle) / by_feature).astype(np.float32)
    directions = rows.solve_covariance(offsets.T, by_feature, shrinkage)
    gram = offsets.astype(np.float64) @ directions
    weights = directions / by_feature[:, None]
    middle += rows.origin
    biases = -0.5 * np.diag(gram) - middle @ weights
    return Discriminant(
        np.asarray(weights, np.float32),
        np.asarray(biases, np.float32),
        np.asarray(middle, np.float32),
        (gram + gram.T) / 2,
        tuple(scales.tolist()),
    )


def _compute_variances(
    rows: Moments | FewRows,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The variance of each feature, and the variance below which it is rounding error."""
    count = rows.counts.sum()
    squares = rows.squares / count
    variances = squares - (rows.counts @ rows.means / count) ** 2
    return np.maximum(variances, 0), squares * ROUNDING


def _compute_block_scales(
    variances: NDArray[np.float64], noise: NDArray[np.float64], widths: Sequence[int]
) -> NDArray[np.float64]:
    starts = np.cumsum([0, *widths[:-1]])
    by_block, least = (np.add.reduceat(one, starts) / widths for one in (variances, noise))
    least = np.maximum(least, np.finfo(np.float32).tiny)
    return np.asarray(np.sqrt(np.maximum(by_block, least)))
