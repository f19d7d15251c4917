"""The history of gradient descent, epoch by epoch: history.csv."""

import csv
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from vedette_edge.files import atomic_write


@dataclass(frozen=True, slots=True)
class Epoch:
    """One line of history.csv."""

    epoch: int  # from 1
    loss: float
    accuracy: float  # 0..1
    val_loss: float
    val_accuracy: float  # 0..1, selects the epoch to keep


MEASURES = tuple(field.name for field in fields(Epoch))[1:]


def find_best(history: Sequence[Epoch]) -> Epoch:
    """The epoch to keep: the last of those with the highest validation accuracy."""
    return max(history, key=lambda epoch: (epoch.val_accuracy, epoch.epoch))


def read_history(path: Path) -> list[Epoch]:
    """The epochs of a history.csv; none if the file does not exist."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[1:]
    return [Epoch(int(row[0]), *map(float, row[1:])) for row in rows]


def write_history(path: Path, history: Sequence[Epoch]) -> None:
    """Write a history.csv, whole or not at all."""
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("epoch", *MEASURES))
        writer.writerows(map(astuple, history))
