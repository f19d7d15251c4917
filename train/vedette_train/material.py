"""What a run is made of: photographs that were found, checked, prepared and split."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vedette_edge.command_line import Terminal
from vedette_edge.contract import Confidence, Contract, Provenance
from vedette_train import dataset, split
from vedette_train.settings import Settings
from vedette_train.store import Store, open_store

VERSIONS = ("vedette-train", "tensorflow", "keras", "numpy", "opencv-python-headless")


@dataclass(frozen=True, slots=True)
class Material:
    """Photographs that can be trained on, prepared, and what they promise the model."""

    contract: Contract
    store: Store
    rows: NDArray[np.intp]  # of the store, one a photograph
    labels: NDArray[np.intp]  # index of the class, one a photograph
    parts: NDArray[np.str_]  # train, validation or test, one a photograph
    manifest: str  # the text of split.csv
    left_out: dict[str, str]  # file -> reason

    def part(self, name: str) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Rows and labels of one part."""
        chosen = self.parts == name
        return self.rows[chosen], self.labels[chosen]


def gather(settings: Settings, stores: Path, terminal: Terminal) -> Material:
    """Find, check, prepare and split. Raises DatasetError for what cannot be trained on."""
    found = dataset.find(settings.data)
    shares = split.Shares(settings.test, settings.validation)
    split.check_enough(found, found.photographs, shares)
    contract = _contract(found.labels, settings)
    with terminal.progress("preparing pictures", len(found.photographs)) as advance:
        store = open_store(found, contract, stores, advance)
    rows = [row for row, entry in enumerate(store.entries) if not entry.error]
    photographs = [found.photographs[row] for row in rows]
    split.check_enough(found, photographs, shares)
    parts = split.split(photographs, shares, settings.seed)
    hashes = [store.entries[row].sha256 for row in rows]
    manifest = split.manifest(photographs, parts, hashes, found.labels)
    return Material(
        contract=_contract(found.labels, settings, manifest, parts),
        store=store,
        rows=np.array(rows),
        labels=np.array([photograph.label for photograph in photographs]),
        parts=np.array(parts),
        manifest=manifest,
        left_out=found.strays | {entry.file: entry.error for entry in store.entries if entry.error},
    )


def _contract(
    labels: tuple[str, ...], settings: Settings, manifest: str = "", parts: Sequence[str] = ()
) -> Contract:
    """What the model will need said; before the split, without its provenance."""
    return Contract(
        labels=labels,
        height=settings.size,
        width=settings.size,
        colour="rgb",
        fit=settings.fit,
        resize="box-linear-exact-1",
        normalisation="unit",
        normalisation_in_graph=True,
        confidence=Confidence(temperature=1.0, unknown_below=0.0),
        provenance=Provenance(
            manifest_sha256=hashlib.sha256(split.encoded(manifest)).hexdigest(),
            pictures={part: Counter(parts)[part] for part in split.PARTS},
            seed=settings.seed,
            versions={package: version(package) for package in VERSIONS},
            accuracies={},
        ),
    )
