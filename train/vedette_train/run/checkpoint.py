"""Where a run stands: all that is needed to go on from there.

Plain arrays, because Keras' own format takes long to write.
"""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedette_edge.files import atomic_write
from vedette_train.errors import RunError

Weights = list[NDArray[Any]]

_WEIGHTS = ("network", "optimizer", "best")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A run after one of its epochs."""

    stage: int  # which of the run's stages it is in, from 0
    before: int  # epochs done before that stage
    epoch: int  # epochs done in all
    network: Weights  # of the stage's network
    optimizer: Weights
    best: Weights  # of the stage's network after its best epoch


def values(variables: Sequence[Any]) -> Weights:
    """A copy of what Keras variables hold."""
    return [np.array(variable.numpy()) for variable in variables]


def assign(variables: Sequence[Any], weights: Weights) -> None:
    """Put values into Keras variables. Raises ValueError if they are not of the same shapes."""
    for variable, value in zip(variables, weights, strict=True):
        variable.assign(value)


def save(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint, whole or not at all."""
    named = {
        f"{name}-{place}": array
        for name in _WEIGHTS
        for place, array in enumerate(getattr(checkpoint, name))
    }
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        place = (checkpoint.stage, checkpoint.before, checkpoint.epoch)
        np.savez(file, place=place, **named)


def load(path: Path) -> Checkpoint:
    """Read a checkpoint. Raises RunError if it is damaged."""
    try:
        with path.open("rb") as file, np.load(file) as saved:
            stage, before, epoch = map(int, saved["place"])
            network, optimizer, best = (_named(saved, name) for name in _WEIGHTS)
            return Checkpoint(stage, before, epoch, network, optimizer, best)
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise is_damaged(path, error) from error


def is_damaged(path: Path, error: Exception) -> RunError:
    """What to raise for a checkpoint that cannot be gone on from."""
    return RunError(f"{path}: is damaged ({error}). Start afresh with --overwrite")


def _named(saved: Any, name: str) -> Weights:
    return [saved[member] for member in saved.files if member.startswith(f"{name}-")]
