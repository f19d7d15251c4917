"""A checkpoint: everything that an interrupted run needs to continue, as plain arrays.

Keras' BackupAndRestore does not give the weights of an uninterrupted run: it forgets the state of
dropout, and, killed between its two files, repeats an epoch. It also takes longer: 0.25 s for
EfficientNet-Lite0 at each epoch, 0.07 s here at most every 30 s (`cnn`: 0.11 and 0.15 s).
"""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedette_edge.files import atomic_write
from vedette_train.errors import OVERWRITE, RunError

Weights = list[NDArray[Any]]

_WEIGHTS = ("network", "optimizer", "best")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a run after one of its epochs."""

    stage: int  # the current stage of the run, from 0
    before: int  # epochs before that stage
    epoch: int  # epochs in all
    network: Weights  # of the stage's network
    optimizer: Weights
    best: Weights  # of the stage's network after its best epoch


def copy_values(variables: Sequence[Any]) -> Weights:
    """Copy the values of Keras variables."""
    return [np.array(variable.numpy()) for variable in variables]


def assign_values(variables: Sequence[Any], weights: Weights) -> None:
    """Assign values to Keras variables. Raises ValueError for other shapes."""
    for variable, value in zip(variables, weights, strict=True):
        variable.assign(value)


def save_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint, whole or not at all."""
    arrays = {
        f"{name}-{number}": array
        for name in _WEIGHTS
        for number, array in enumerate(getattr(checkpoint, name))
    }
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        place = (checkpoint.stage, checkpoint.before, checkpoint.epoch)
        np.savez(file, place=place, **arrays)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint. Raises RunError if it is damaged."""
    try:
        with path.open("rb") as file, np.load(file) as saved:
            stage, before, epoch = map(int, saved["place"])
            network, optimizer, best = (_select_arrays(saved, name) for name in _WEIGHTS)
            return Checkpoint(stage, before, epoch, network, optimizer, best)
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise describe_damage(path, error) from error


def describe_damage(path: Path, error: Exception) -> RunError:
    """The error to raise for a checkpoint that cannot be used."""
    return RunError(f"{path}: is damaged ({error}). Start again with {OVERWRITE}")


def _select_arrays(saved: Any, name: str) -> Weights:
    return [saved[member] for member in saved.files if member.startswith(f"{name}-")]
