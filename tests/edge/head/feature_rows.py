"""Rows of features with labels, their moments, and the head that a textbook fits to them."""

import numpy as np
from numpy.typing import NDArray

from vedette_edge.head.covariance import Floats, Labels, Moments

Array = NDArray[np.float64]
CLASSES = 5
WIDTHS = (7, 12, 5)


def draw(
    rows: int = 400, widths: tuple[int, ...] = WIDTHS, classes: int = CLASSES
) -> tuple[Floats, Labels]:
    """Correlated features around a mean of each class, blocks of different sizes of numbers."""
    random = np.random.default_rng(11)
    width = sum(widths)
    labels = np.arange(rows) % classes
    means = random.normal(0, 1, (classes, width))
    mixing = random.normal(0, 1, (width, width)) / np.sqrt(width)
    features = means[labels] + random.normal(0, 1, (rows, width)) @ mixing
    features *= np.repeat(10.0 ** np.arange(len(widths)), widths) / 10
    return features.astype(np.float32), labels


def moments_of(features: Floats, labels: Labels, classes: int = CLASSES) -> Moments:
    sums = Moments.zeros(classes, np.zeros(features.shape[1], np.float32))
    sums.add(features, labels)
    return sums


def textbook(
    features: Floats, labels: Labels, widths: tuple[int, ...], shrinkage: float
) -> tuple[Array, Array]:
    """Weights and biases by the formula: the rows in memory, 64 bits, the inverse written out.

    Each block is divided by the root of its mean variance, the pooled covariance is moved towards
    the identity, and logits are relative to a class at the mean of the class means.
    """
    rows = features.astype(np.float64)
    ends = np.cumsum(widths)
    blocks = [slice(end - width, end) for end, width in zip(ends, widths, strict=True)]
    scales = np.concatenate(
        [
            np.full(block.stop - block.start, np.sqrt(rows[:, block].var(0).mean()))
            for block in blocks
        ]
    )
    rows = rows / scales
    means = np.stack([rows[labels == one].mean(axis=0) for one in np.unique(labels)])
    deviations = rows - means[labels]
    covariance = deviations.T @ deviations / len(rows)
    level = np.trace(covariance) / len(covariance)
    covariance = (1 - shrinkage) * covariance + shrinkage * level * np.eye(len(covariance))
    middle = means.mean(axis=0)
    directions = np.linalg.inv(covariance) @ (means - middle).T
    biases = -0.5 * np.sum((means - middle).T * directions, axis=0) - middle @ directions
    return directions / scales[:, np.newaxis], biases
