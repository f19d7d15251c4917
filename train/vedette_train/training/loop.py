"""Gradient descent, stage by stage and epoch by epoch, so that nothing is lost when it stops."""

import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
from rich.console import Console

from vedette_train.data.batches import Batches
from vedette_train.models.architectures import Model
from vedette_train.run import checkpoint
from vedette_train.run import history as histories
from vedette_train.run.checkpoint import Checkpoint
from vedette_train.run.folder import CHECKPOINT, HISTORY
from vedette_train.run.history import MEASURES, Epoch, find_best
from vedette_train.training.gradient_accumulation import MicroBatched
from vedette_train.training.progress import Progress

CHECKPOINT_EVERY_S = 30


@dataclass(frozen=True, slots=True)
class Stage:
    """Some epochs of one network on one kind of input."""

    network: Model
    optimizer: Any
    batches: Batches
    validation: Batches
    epochs: int
    patience: int  # epochs without a better one after which the stage ends; 0: never
    soft: bool = False  # labels are rows of target scores


def train(
    stages: Sequence[Stage], run: Path, terminal: Console, callbacks: Sequence[Any] = ()
) -> list[Epoch]:
    """Train one stage after the other; each network then has the weights of the best epoch.

    Goes on from RUN/checkpoint.npz, if there is one. Writes that file and history.csv, each
    whole or not at all; on Ctrl-C (KeyboardInterrupt) they stand as the last epoch left them,
    and the network has the weights of the best so far.
    """
    saved = checkpoint.load(run / CHECKPOINT) if (run / CHECKPOINT).exists() else None
    history = histories.read_history(run / HISTORY)[: saved.epoch if saved else 0]
    total = sum(stage.epochs for stage in stages)
    for number, stage in enumerate(stages):
        if saved and saved.stage > number:
            continue
        here = saved if saved and saved.stage == number else None
        model = MicroBatched(stage.network, stage.optimizer, soft=stage.soft)
        keeper = Keeper(model, number, history, run, here)
        with keeper, Progress(terminal, len(stage.batches), total, len(history)) as progress:
            _descend(stage, keeper, [progress, *callbacks])
    return history


def _descend(stage: Stage, keeper: "Keeper", callbacks: list[Any]) -> None:
    """The epochs of a stage that are still to come."""
    done, end = len(keeper.history), keeper.before + stage.epochs
    if done >= end or keeper.stalled(stage.patience):
        return
    stage.batches.start(done)
    stopping = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda *_: setattr(
            keeper.model, "stop_training", keeper.stalled(stage.patience)
        )
    )
    keeper.model.fit(
        stage.batches,
        validation_data=stage.validation,
        initial_epoch=done,
        epochs=end,
        shuffle=False,  # Batches does it
        verbose=0,
        callbacks=[*callbacks, keeper, stopping],
    )


class Keeper(keras.callbacks.Callback):  # type: ignore[misc]  # keras publishes no types
    """Writes down each epoch of a stage, its best weights and where to continue.

    Used with `with`: where to continue is large, so it is written every now and then and,
    however training ends, at the end; the network then gets the best weights.
    """

    def __init__(
        self, model: Model, stage: int, history: list[Epoch], run: Path, saved: Checkpoint | None
    ) -> None:
        super().__init__()
        self.set_model(model)
        self.history, self.before = history, saved.before if saved else len(history)
        self._stage, self._run = stage, run
        if saved:
            self._restore(saved)
        self._best = saved.best if saved else checkpoint.values(model.network.variables)
        self._unsaved: Checkpoint | None = None
        self._saved_at = float("-inf")  # the first epoch is saved at once

    def __enter__(self) -> "Keeper":
        return self

    def __exit__(self, *_: object) -> None:
        if self._unsaved:
            self._save(self._unsaved)
        checkpoint.assign(self.model.network.variables, self._best)

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        with _undisturbed():
            self.history.append(Epoch(epoch + 1, *(logs[measure] for measure in MEASURES)))
            weights = checkpoint.values(self.model.network.variables)
            if find_best(self.history) is self.history[-1]:
                self._best = weights
            histories.write_history(self._run / HISTORY, self.history)
            optimizer = checkpoint.values(self.model.optimizer.variables)
            self._unsaved = Checkpoint(
                self._stage, self.before, epoch + 1, weights, optimizer, self._best
            )
            if time.monotonic() - self._saved_at >= CHECKPOINT_EVERY_S:
                self._save(self._unsaved)

    def stalled(self, patience: int) -> bool:
        """Whether the stage has gone on for that many epochs without a better one."""
        if not 0 < patience <= len(self.history) - self.before:
            return False
        recent, earlier = self.history[-patience:], self.history[:-patience]
        highest = max((epoch.val_accuracy for epoch in earlier), default=-1.0)
        return max(epoch.val_accuracy for epoch in recent) <= highest

    def _save(self, reached: Checkpoint) -> None:
        checkpoint.save(reached, self._run / CHECKPOINT)
        self._unsaved, self._saved_at = None, time.monotonic()

    def _restore(self, saved: Checkpoint) -> None:
        try:
            checkpoint.assign(self.model.network.variables, saved.network)
            checkpoint.assign(self.model.optimizer.variables, saved.optimizer)
        except ValueError as error:
            raise checkpoint.is_damaged(self._run / CHECKPOINT, error) from error


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Hold Ctrl-C back until what belongs together is written."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals do not come here
        return
    caught: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: caught.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if caught:
            signal.raise_signal(signal.SIGINT)
