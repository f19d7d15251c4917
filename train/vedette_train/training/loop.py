"""Gradient descent, stage by stage and epoch by epoch; an interrupted run can continue."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import keras
from rich.console import Console

from vedette_train.data.batches import Batches
from vedette_train.errors import DivergenceError
from vedette_train.models.architectures import Model
from vedette_train.run.checkpoint import (
    Checkpoint,
    assign_values,
    copy_values,
    describe_damage,
    load_checkpoint,
    save_checkpoint,
)
from vedette_train.run.folder import CHECKPOINT, HISTORY
from vedette_train.run.history import MEASURES, Epoch, find_best, read_history, write_history
from vedette_train.training.gradient_accumulation import AccumulatingModel
from vedette_train.training.interrupt import delay_interrupt
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
    patience: int  # epochs without improvement after which the stage ends; 0: never
    soft: bool = False  # labels are rows of target scores


class CheckpointCallback(keras.callbacks.Callback):  # type: ignore[misc]  # keras publishes no types
    """Keeps the history, the best weights and the checkpoint of a stage; ends a stalled one.

    A checkpoint is large, so it is written only now and then and, however training ends, when
    `with` ends. The network then gets the best weights.
    """

    def __init__(
        self, model: Model, start: Checkpoint, history: list[Epoch], folder: Path, patience: int
    ) -> None:
        super().__init__()
        self.set_model(model)
        self.history, self.before = history, start.before
        self._stage, self._best = start.stage, start.best
        self._folder, self._patience = folder, patience
        self._unsaved: Checkpoint | None = None
        self._saved_at = float("-inf")  # the first epoch is saved at once
        try:
            assign_values(model.network.variables, start.network)
            assign_values(model.optimizer.variables, start.optimizer)
        except ValueError as error:
            raise describe_damage(folder / CHECKPOINT, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._unsaved:
            self._save(self._unsaved)
        assign_values(self.model.network.variables, self._best)

    def on_train_batch_end(self, batch: int, logs: dict[str, float]) -> None:
        self._check_finite(logs["loss"])

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        self._check_finite(logs["val_loss"])  # the last step may have spoilt the weights
        self.history.append(Epoch(epoch + 1, *(logs[measure] for measure in MEASURES)))
        weights = copy_values(self.model.network.variables)
        if find_best(self.history) is self.history[-1]:
            self._best = weights
        write_history(self._folder / HISTORY, self.history)
        optimizer = copy_values(self.model.optimizer.variables)
        self._unsaved = Checkpoint(
            self._stage, self.before, epoch + 1, weights, optimizer, self._best
        )
        if time.monotonic() - self._saved_at >= CHECKPOINT_EVERY_S:
            self._save(self._unsaved)
        self.model.stop_training = self.stalled

    @property
    def stalled(self) -> bool:
        """True if the stage has had `patience` epochs without a better one."""
        if not 0 < self._patience <= len(self.history) - self.before:
            return False
        accuracies = [epoch.val_accuracy for epoch in self.history]
        return len(accuracies) - accuracies.index(max(accuracies)) > self._patience

    def _check_finite(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise DivergenceError(
                f"training diverged: the loss is {loss} in epoch {len(self.history) + 1}. "
                "Start again with a lower --learning-rate and with --overwrite"
            )

    def _save(self, checkpoint: Checkpoint) -> None:
        save_checkpoint(checkpoint, self._folder / CHECKPOINT)
        self._unsaved, self._saved_at = None, time.monotonic()


def train_stages(
    stages: Sequence[Stage], folder: Path, terminal: Console, callbacks: Sequence[Any] = ()
) -> list[Epoch]:
    """Train one stage after the other; each network ends with the weights of its best epoch.

    Continues from FOLDER/checkpoint.npz, if it exists. Writes that file and history.csv, each
    whole or not at all. After Ctrl-C (KeyboardInterrupt) both are those of the last epoch, and
    the network has the best weights so far.
    """
    path = folder / CHECKPOINT
    saved = load_checkpoint(path) if path.exists() else None
    history = read_history(folder / HISTORY)[: saved.epoch if saved else 0]
    total = sum(stage.epochs for stage in stages)
    for number, stage in enumerate(stages):
        if saved and saved.stage > number:
            continue
        model = AccumulatingModel(
            stage.network, stage.optimizer, soft=stage.soft, largest=stage.batches.largest
        )
        resumed = saved if saved and saved.stage == number else None
        start = resumed or _create_checkpoint(model, number, len(history))
        checkpoints = CheckpointCallback(model, start, history, folder, stage.patience)
        progress = Progress(terminal, len(stage.batches), total, len(history))
        with checkpoints, progress, delay_interrupt(progress.announce_stop) as interrupt:
            _train_stage(stage, checkpoints, [progress, *callbacks, checkpoints, interrupt])
    return history


def _create_checkpoint(model: Model, stage: int, done: int) -> Checkpoint:
    """The state at the beginning of a stage, after `done` epochs of others."""
    weights = copy_values(model.network.variables)
    return Checkpoint(stage, done, done, weights, copy_values(model.optimizer.variables), weights)


def _train_stage(stage: Stage, checkpoints: CheckpointCallback, callbacks: list[Any]) -> None:
    """Train the remaining epochs of a stage."""
    done, end = len(checkpoints.history), checkpoints.before + stage.epochs
    if done >= end or checkpoints.stalled:
        return
    stage.batches.start(done)
    checkpoints.model.fit(
        stage.batches,
        validation_data=stage.validation,
        initial_epoch=done,
        epochs=end,
        shuffle=False,  # Batches shuffles
        verbose=0,
        callbacks=callbacks,
    )
