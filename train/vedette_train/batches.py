"""Batches of prepared pictures from a store."""

import keras
import numpy as np
from numpy.typing import NDArray

from vedette_edge.prepare import Picture
from vedette_train.store import Store


class Batches(keras.utils.PyDataset):  # type: ignore[misc]  # keras publishes no types
    """Batches of a store's rows; with a seed, in an order that depends on it and the epoch."""

    def __init__(
        self,
        store: Store,
        rows: NDArray[np.intp],
        labels: NDArray[np.intp],
        batch_size: int,
        seed: int | None = None,
    ) -> None:
        super().__init__()
        self._store, self._rows, self._labels = store, rows, labels
        self._batch_size, self._seed = batch_size, seed
        self.start(0)

    def __len__(self) -> int:
        return -(-len(self._rows) // self._batch_size)

    def __getitem__(self, batch: int) -> tuple[Picture, NDArray[np.intp]]:
        """Pictures, uint8, batch x height x width x 3, and their labels."""
        chosen = self._order[batch * self._batch_size : (batch + 1) * self._batch_size]
        return self._store.take(self._rows[chosen]), self._labels[chosen]

    def start(self, epoch: int) -> None:
        """Shuffle anew: the same seed and epoch give the same order. Without a seed, as given."""
        self._epoch = epoch
        self._order = np.arange(len(self._rows))
        if self._seed is not None:
            np.random.default_rng((self._seed, epoch)).shuffle(self._order)

    def on_epoch_end(self) -> None:
        """Keras says that an epoch is over."""
        self.start(self._epoch + 1)
