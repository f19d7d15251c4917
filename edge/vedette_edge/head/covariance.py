"""The shrunk covariance of features within classes, and equations with it.

The shrinkage towards a multiple of the identity is Friedman's, Regularized Discriminant Analysis,
1989, equation 18.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

LEAF = 128  # columns up to which LAPACK factorizes
LEAST_SHRINKAGE = 0.01  # with less, rounding may make a covariance singular
LEAST_WITHIN = 0.01  # least share of all variance that counts as within classes

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

    def __iadd__(self, some: "Moments") -> Self:
        self.counts[:] += some.counts
        self.sums[:] += some.sums
        self.products[:] += some.products
        return self

    def __sub__(self, some: "Moments") -> "Moments":
        products = self.products - some.products
        return Moments(self.counts - some.counts, self.sums - some.sums, products, self.origin)

    def first(self, width: int) -> "Moments":
        """Return the moments of the first `width` features."""
        products = self.products[:width, :width]
        return Moments(self.counts, self.sums[:, :width], products, self.origin[:width])

    @property
    def means(self) -> NDArray[np.float64]:
        """The mean of each class, relative to the origin: class x feature."""
        return self.sums / self.counts[:, None]

    @property
    def squares(self) -> Floats:
        """The sum of the squares of each feature."""
        return np.diag(self.products)

    def solve_covariance(self, right: Floats, by_feature: Floats, shrinkage: float) -> Floats:
        """Solve `covariance @ directions = right`; features are divided by `by_feature`."""
        covariance = self.sums.T.astype(np.float32) @ self.means.astype(np.float32)
        np.subtract(self.products, covariance, out=covariance)  # less the one between classes
        covariance /= np.float32(self.counts.sum())
        covariance /= by_feature
        covariance /= by_feature[:, None]
        width = len(covariance)
        share = shrinkage * _compute_level(float(covariance.trace()), width)
        covariance *= np.float32(1 - shrinkage)
        covariance.flat[:: width + 1] += np.float32(share)
        _factorize(covariance)
        return _solve_transposed(covariance, _solve_lower(covariance, right))


@dataclass(frozen=True, slots=True)
class FewRows:
    """Feature rows themselves, relative to an origin: for fewer rows than features.

    Then equations with the covariance become equations with a matrix of rows x rows, which is
    much smaller. That is the Woodbury identity: Golub and Van Loan, Matrix Computations, 4th
    edition, section 2.1.4.
    """

    features: Floats  # row x feature
    labels: Labels  # the class index of each row
    places: NDArray[np.intp]  # the image of each row
    classes: int
    origin: Floats  # feature

    def without(self, places: NDArray[np.intp]) -> "FewRows":
        """Return the rows of all images but some."""
        rest = ~np.isin(self.places, places)
        features, labels = self.features[rest], self.labels[rest]
        return FewRows(features, labels, self.places[rest], self.classes, self.origin)

    def first(self, width: int) -> "FewRows":
        """Return the rows of the first `width` features."""
        features, origin = self.features[:, :width], self.origin[:width]
        return FewRows(features, self.labels, self.places, self.classes, origin)

    @property
    def counts(self) -> NDArray[np.float64]:
        """The number of rows of each class."""
        return np.bincount(self.labels, minlength=self.classes).astype(np.float64)

    @property
    def means(self) -> NDArray[np.float64]:
        """The mean of each class, relative to the origin: class x feature."""
        members = (self.labels == np.arange(self.classes)[:, None]).astype(np.float32)
        return np.asarray(members @ self.features / self.counts[:, None])

    @property
    def squares(self) -> Floats:
        """The sum of the squares of each feature."""
        return np.asarray(np.square(self.features).sum(axis=0))

    def solve_covariance(self, right: Floats, by_feature: Floats, shrinkage: float) -> Floats:
        """Solve `covariance @ directions = right`; features are divided by `by_feature`."""
        rows, width = self.features.shape
        within = self.features - self.means.astype(np.float32)[self.labels]
        within /= by_feature * np.float32(np.sqrt(rows))
        share = shrinkage * _compute_level(float(np.square(within).sum()), width)
        within *= np.float32(np.sqrt(1 - shrinkage))
        kernel = (within @ within.T).astype(np.float64)
        kernel.flat[:: rows + 1] += share
        inner = np.linalg.solve(kernel, within @ right)
        return np.asarray((right - within.T @ inner) / share, np.float32)


def _compute_level(trace: float, width: int) -> float:
    """The multiple of the identity that has the same trace as the covariance.

    The features' variance over all classes is 1. If classes hardly vary in themselves, that
    variation is rounding error.
    """
    return max(trace / width, LEAST_WITHIN)


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
