"""A first look at a data set: every file prepared, compared and described."""

from dataclasses import dataclass
from pathlib import Path

from vedette_edge.command_line import Terminal
from vedette_edge.contract import Contract
from vedette_train import audit, duplicates
from vedette_train.audit import Audit
from vedette_train.dataset import Dataset
from vedette_train.store import Store, open_store


@dataclass(frozen=True, slots=True)
class Survey:
    """Photographs as they are."""

    store: Store
    alike: list[list[int]]  # rows of the store, those that look alike together
    audit: Audit


def survey_of(found: Dataset, contract: Contract, stores: Path, terminal: Terminal) -> Survey:
    """Prepare what has not been prepared yet, compare all with all, and describe it."""
    with terminal.progress("preparing pictures", len(found.photographs)) as advance:
        store = open_store(found, contract, stores, advance)
    rows = [row for row, entry in enumerate(store.entries) if not entry.error]
    alike = duplicates.groups(store, rows)
    return Survey(store, alike, audit.examine(found, store.entries, contract, alike))
