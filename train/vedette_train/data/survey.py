"""A first look at a data set: every file prepared, compared and described."""

from dataclasses import dataclass
from pathlib import Path

from vedette_edge.console import Output
from vedette_edge.images.decoding import HEIF_INSTALL
from vedette_edge.model.contract import Contract
from vedette_train.data import audit, near_duplicates
from vedette_train.data.audit import Audit
from vedette_train.data.discovery import Dataset
from vedette_train.data.image_cache import ImageCache, open_cache


@dataclass(frozen=True, slots=True)
class Survey:
    """Photographs as they are."""

    store: ImageCache
    alike: list[list[int]]  # rows of the store, those that look alike together
    audit: Audit


def survey_dataset(found: Dataset, contract: Contract, stores: Path, terminal: Output) -> Survey:
    """Prepare what has not been prepared yet, compare all with all, and describe it."""
    with terminal.show_progress("preparing pictures", len(found.photographs)) as advance:
        store = open_cache(found, contract, stores, advance)
    if missing := describe_missing_decoder(store):
        terminal.err.print(missing, style="bold red")
    rows = [row for row, entry in enumerate(store.entries) if not entry.error]
    alike = near_duplicates.find_groups(store, rows)
    return Survey(store, alike, audit.audit_dataset(found, store.entries, contract, alike))


def describe_missing_decoder(store: ImageCache) -> str:
    """The number of pictures that no decoder reads, and the command that helps; or empty."""
    count = sum(entry.lacks_decoder for entry in store.entries)
    left_out = f"{count} of {len(store.entries)} pictures are HEIC or AVIF and are left out"
    return f"{left_out}. To read them: {HEIF_INSTALL}" if count else ""
