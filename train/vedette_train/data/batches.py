"""Batches that a network learns from: prepared images, or their features."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

LEAST = 16  # rows of a batch if there are several; at least a machine's number of devices

Rows = NDArray[np.intp]
Take = Callable[[Rows, int], NDArray[Any]]  # rows of a store and the epoch -> their content


@dataclass(frozen=True, slots=True)
class Order:
    """The order of an epoch: random, another each epoch, the same for the same seed."""

    seed: int
    balance: bool = False  # show each class equally often, instead of each image once


class Batches(keras.utils.PyDataset):  # type: ignore[misc]  # keras publishes no types
    """Batches of rows, in their own order or, with an Order, in another each epoch."""

    def __init__(
        self,
        take: Take,
        rows: Rows,
        labels: NDArray[Any],
        batch_size: int,
        order: Order | None = None,
    ) -> None:
        """`labels` are class indices, or rows of target scores."""
        super().__init__()
        self._take, self._rows, self._labels = take, rows, labels
        self._edges, self._order = _split_batches(len(rows), batch_size), order
        self.start(0)

    def __len__(self) -> int:
        return len(self._edges) - 1

    def __getitem__(self, batch: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """The content of a batch, batch x ..., and its labels."""
        chosen = self._places[self._edges[batch] : self._edges[batch + 1]]
        return self._take(self._rows[chosen], self._epoch), self._labels[chosen]

    @property
    def largest(self) -> int:
        """The number of rows of the largest batch."""
        return int(np.diff(self._edges).max())

    def start(self, epoch: int) -> None:
        """Begin an epoch, counted from 0."""
        self._epoch = epoch
        self._places = self._order_places(epoch)

    def on_epoch_end(self) -> None:
        """Begin the next epoch; called by Keras."""
        self.start(self._epoch + 1)

    def _order_places(self, epoch: int) -> Rows:
        places = np.arange(len(self._rows))
        if self._order:
            random = np.random.default_rng((self._order.seed, epoch))
            if self._order.balance:
                classes = self._labels if self._labels.ndim == 1 else self._labels.argmax(axis=1)
                places = _balance(classes, random)
            random.shuffle(places)
        return places


def _split_batches(rows: int, batch_size: int) -> list[int]:
    """The edges of the batches: each batch is full but the last, which is the rest.

    If the rest is less than LEAST, all batches are about the same size, a little less than full:
    a tiny last batch leaves devices without samples, which TensorFlow rejects.
    """
    count = -(-rows // batch_size)
    if count > 1 and 0 < rows % batch_size < LEAST:
        return [round(rows * batch / count) for batch in range(count + 1)]
    return [*range(0, rows, batch_size), rows]


def _balance(labels: NDArray[np.intp], random: np.random.Generator) -> Rows:
    """As many places as labels, with each class equally often to within one."""
    classes = random.permutation(np.unique(labels))
    counts = np.bincount(np.arange(len(labels)) % len(classes))
    drawn = []
    for label, count in zip(classes, counts, strict=True):
        members = random.permutation(np.flatnonzero(labels == label))
        drawn.append(np.resize(members, count))  # repeats the members of a small class
    return np.concatenate(drawn)
