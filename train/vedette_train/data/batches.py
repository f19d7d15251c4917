"""Batches of what a network learns from: prepared pictures, or their features."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

LEAST = 16  # rows in a batch where there are several; no fewer than a machine has devices

Rows = NDArray[np.intp]
Take = Callable[[Rows, int], NDArray[Any]]  # rows of a store and the epoch -> what is there


@dataclass(frozen=True, slots=True)
class Order:
    """How training goes through its part: differently each epoch, the same for the same seed."""

    seed: int
    balance: bool = False  # see each class equally often, instead of each picture once


class Batches(keras.utils.PyDataset):  # type: ignore[misc]  # keras publishes no types
    """Batches of rows, in the order given or, with an Order, in another each epoch."""

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
        """What was taken, batch x ..., and its labels."""
        chosen = self._places[self._edges[batch] : self._edges[batch + 1]]
        return self._take(self._rows[chosen], self._epoch), self._labels[chosen]

    def start(self, epoch: int) -> None:
        """Begin an epoch, counted from 0."""
        self._epoch = epoch
        self._places = self._order_places(epoch)

    def on_epoch_end(self) -> None:
        """Keras says that an epoch is over."""
        self.start(self._epoch + 1)

    def _order_places(self, epoch: int) -> Rows:
        if not self._order:
            return np.arange(len(self._rows))
        random = np.random.default_rng((self._order.seed, epoch))
        places = np.arange(len(self._rows))
        if self._order.balance:
            classes = self._labels if self._labels.ndim == 1 else self._labels.argmax(axis=1)
            places = _balance(classes, random)
        random.shuffle(places)
        return places


def _split_batches(rows: int, batch_size: int) -> list[int]:
    """Where batches begin and end: each full but the last, which is what is left.

    If that is less than LEAST, all are of about the same size, a little less than full: of a
    tiny batch some of several devices would get nothing, which TensorFlow does not bear.
    """
    count = -(-rows // batch_size)
    if count > 1 and 0 < rows % batch_size < LEAST:
        return [round(rows * batch / count) for batch in range(count + 1)]
    return [*range(0, rows, batch_size), rows]


def _balance(labels: NDArray[np.intp], random: np.random.Generator) -> Rows:
    """As many places as labels, each class as often as any other to within one."""
    classes = random.permutation(np.unique(labels))
    counts = np.bincount(np.arange(len(labels)) % len(classes))
    drawn = []
    for label, count in zip(classes, counts, strict=True):
        members = random.permutation(np.flatnonzero(labels == label))
        drawn.append(np.resize(members, count))  # begins again where a class has too few
    return np.concatenate(drawn)
