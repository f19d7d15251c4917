"""Where to continue: the state of a network and its optimizer.

Plain arrays, because Keras' own format takes long to write.
"""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedette_edge.atomic import replacing
from vedette_train.architectures import Model
from vedette_train.errors import RunError

State = list[NDArray[Any]]


def state(network: Model) -> State:
    """A copy of the state of a compiled network."""
    return [np.array(variable.numpy()) for variable in _variables(network)]


def save(state: State, path: Path) -> None:
    """Write a state, whole or not at all."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, *state)


def restore(network: Model, path: Path) -> None:
    """Put a network, compiled in the same way, into the saved state. Raises RunError."""
    try:
        with np.load(path) as saved:
            for variable, name in zip(_variables(network), saved.files, strict=True):
                variable.assign(saved[name])
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise RunError(f"{path}: is damaged ({error}). Start afresh with --overwrite") from error


def _variables(network: Model) -> list[Any]:
    network.optimizer.build(network.trainable_variables)  # does nothing the second time
    return [*network.variables, *network.optimizer.variables]
