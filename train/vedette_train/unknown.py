"""Pictures of none of the classes: how many of them would be given a label all the same."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vedette_edge.command_line import Terminal
from vedette_edge.contract import Contract
from vedette_edge.pictures import pictures_in
from vedette_train.architectures import Model
from vedette_train.batches import Rows
from vedette_train.calibration import cooled
from vedette_train.dataset import Dataset, Photograph
from vedette_train.errors import DatasetError
from vedette_train.microbatch import MICROBATCH
from vedette_train.store import Store, open_store
from vedette_train.survey import missing_decoder


@dataclass(frozen=True, slots=True)
class Strangers:
    """Prepared pictures of none of the classes."""

    store: Store
    rows: Rows

    def best_scores(self, model: Model, temperature: float) -> NDArray[np.float32]:
        """The highest score that a model gives each, 0..1."""
        best = []
        for start in range(0, len(self.rows), MICROBATCH):
            pictures = self.store.take(self.rows[start : start + MICROBATCH])
            best.append(cooled(model.predict_on_batch(pictures), temperature).max(axis=1))
        return np.concatenate(best)


def gather_strangers(
    folder: Path, contract: Contract, stores: Path, terminal: Terminal
) -> Strangers:
    """Prepare every picture in a folder and the folders in it. Raises DatasetError for none."""
    files = [path.relative_to(folder).as_posix() for path in pictures_in(folder)]
    found = Dataset(folder, contract.labels, tuple(Photograph(file, 0) for file in files), {})
    with terminal.progress("preparing unknown pictures", len(files)) as advance:
        store = open_store(found, contract, stores, advance) if files else None
    if store and (missing := missing_decoder(store)):
        terminal.err.print(missing, style="bold red")
    rows = [row for row, entry in enumerate(store.entries) if not entry.error] if store else []
    if not store or not rows:
        raise DatasetError(f"{folder}: no picture that can be read; expected some, of no class")
    return Strangers(store, np.array(rows))
