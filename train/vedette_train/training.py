"""Gradient descent, epoch by epoch, so that nothing is lost when it stops."""

import errno
import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
from rich.console import Console

from vedette_edge.atomic import replacing
from vedette_train import checkpoint
from vedette_train import history as histories
from vedette_train.architectures import Model
from vedette_train.batches import Batches
from vedette_train.history import MEASURES, Epoch, best
from vedette_train.microbatch import MicroBatched
from vedette_train.progress import Progress
from vedette_train.run_folder import CHECKPOINT, HISTORY, WEIGHTS

CHECKPOINT_EVERY_S = 30


def train(
    network: Model,
    batches: Batches,
    validation: Batches,
    epochs: int,
    run: Path,
    terminal: Console,
) -> list[Epoch]:
    """Train a compiled network up to `epochs` in all, keeping the best and the last after each.

    Writes RUN/Trained_Weight.h5, checkpoint.npz and history.csv, each whole or not at all;
    on Ctrl-C (KeyboardInterrupt) they stand as the last finished epoch left them.
    """
    done = epochs_done(network, batches)
    batches.start(done)
    keeper = Keeper(run, histories.read(run / HISTORY)[:done])
    with Progress(terminal, len(batches), epochs, done) as progress, keeper:
        MicroBatched(network).fit(
            batches,
            validation_data=validation,
            initial_epoch=done,
            epochs=epochs,
            shuffle=False,  # Batches does it
            verbose=0,
            callbacks=[progress, keeper],
        )
    return keeper.history


def epochs_done(network: Model, batches: Batches) -> int:
    """How many epochs a compiled network has behind it: its optimizer counts the steps."""
    return int(network.optimizer.iterations.numpy()) // len(batches)


class Keeper(keras.callbacks.Callback):  # type: ignore[misc]  # keras publishes no types
    """Writes down each epoch, the best model so far and where to continue.

    Used with `with`: where to continue is large, so it is written every now and then and,
    however training ends, at the end.
    """

    def __init__(self, run: Path, history: list[Epoch]) -> None:
        super().__init__()
        self.history = history
        self._run = run
        self._unsaved: checkpoint.State = []
        self._saved_at = float("-inf")  # the first epoch is saved at once

    def __enter__(self) -> "Keeper":
        return self

    def __exit__(self, *_: object) -> None:
        if self._unsaved:
            self._save_checkpoint()

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        self.history.append(Epoch(epoch + 1, *(logs[measure] for measure in MEASURES)))
        with _undisturbed():
            if best(self.history) is self.history[-1]:
                self._save_weights()
            histories.write(self._run / HISTORY, self.history)
            self._unsaved = checkpoint.state(self.model.network)
            if time.monotonic() - self._saved_at >= CHECKPOINT_EVERY_S:
                self._save_checkpoint()

    def _save_checkpoint(self) -> None:
        checkpoint.save(self._unsaved, self._run / CHECKPOINT)
        self._unsaved, self._saved_at = [], time.monotonic()

    def _save_weights(self) -> None:
        network = self.model.network
        needed = 5 * network.count_params()  # bytes; h5py must not be let run into a full disk
        if shutil.disk_usage(self._run).free < needed:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._run / WEIGHTS))
        with replacing(self._run / WEIGHTS) as path:
            network.save(path, include_optimizer=False)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Hold Ctrl-C back until what belongs together is written."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
