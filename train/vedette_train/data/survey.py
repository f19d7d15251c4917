"""First steps on a data set: every file prepared, compared with the others and audited."""

from dataclasses import dataclass
from pathlib import Path

from vedette_edge.console import Output
from vedette_edge.images.decoding import HEIF_INSTALL
from vedette_edge.model.contract import Contract
from vedette_train.data.audit import Audit, audit_dataset
from vedette_train.data.discovery import Dataset
from vedette_train.data.image_cache import ImageCache, open_cache
from vedette_train.data.near_duplicates import find_groups


@dataclass(frozen=True, slots=True)
class Survey:
    """A data set with its prepared images, its near-duplicates and its audit."""

    dataset: Dataset
    store: ImageCache  # a row for each photograph of the data set
    alike: list[list[int]]  # groups of rows that look alike
    audit: Audit


def survey_dataset(dataset: Dataset, contract: Contract, stores: Path, terminal: Output) -> Survey:
    """Prepare the images that are not in the cache yet, compare all of them, and audit them."""
    with terminal.show_progress("preparing pictures", len(dataset.photographs)) as advance:
        store = open_cache(dataset, contract, stores, advance)
    if missing := describe_missing_decoder(store):
        terminal.err.print(missing, style="bold red")
    alike = find_groups(store, [row for row, one in enumerate(store.entries) if not one.error])
    return Survey(dataset, store, alike, audit_dataset(dataset, store.entries, contract, alike))


def describe_missing_decoder(store: ImageCache) -> str:
    """The number of images that lack a decoder, with the fix; an empty string if there are none."""
    count = sum(entry.lacks_decoder for entry in store.entries)
    left_out = f"{count} of {len(store.entries)} pictures are HEIC or AVIF and are left out"
    return f"{left_out}. To read them: {HEIF_INSTALL}" if count else ""
