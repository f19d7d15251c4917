"""What a run is made of: photographs that were found, checked, prepared and split."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vedette_edge.console import Output
from vedette_edge.model.contract import Confidence, Contract, Provenance
from vedette_train.config import ARCHITECTURE_DEFAULTS, TrainConfig
from vedette_train.data import discovery, split
from vedette_train.data.audit import Audit
from vedette_train.data.image_cache import ImageCache
from vedette_train.data.survey import Survey, describe_missing_decoder, survey_dataset
from vedette_train.errors import DatasetError

VERSIONS = ("vedette-train", "tensorflow", "keras", "numpy", "opencv-python-headless")


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Photographs that can be trained on, prepared, and what they promise the model."""

    contract: Contract
    store: ImageCache
    rows: NDArray[np.intp]  # of the store, one a photograph
    labels: NDArray[np.intp]  # index of the class, one a photograph
    parts: NDArray[np.str_]  # train, validation or test, one a photograph
    groups: NDArray[np.intp]  # a number for those that look alike, one a photograph
    files: tuple[str, ...]  # relative to the data folder, one a photograph
    hashes: tuple[str, ...]  # SHA-256 of the files, one a row of the store
    manifest: str  # the text of split.csv
    audit: Audit
    left_out: dict[str, str]  # file -> reason

    def find_places(self, *parts: str) -> NDArray[np.intp]:
        """Places among the photographs of those in some parts."""
        return np.flatnonzero(np.isin(self.parts, parts))

    def select_part(self, *parts: str) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Rows and labels of some parts."""
        places = self.find_places(*parts)
        return self.rows[places], self.labels[places]

    def list_files(self, *parts: str) -> list[str]:
        """The files of some parts, in the order of their rows."""
        return [self.files[place] for place in self.find_places(*parts)]

    @property
    def label_by_hash(self) -> dict[str, str]:
        """SHA-256 of each photograph -> its label."""
        names, pairs = self.contract.labels, zip(self.rows, self.labels, strict=True)
        return {self.hashes[row]: names[label] for row, label in pairs}


def load_training_data(
    settings: TrainConfig, stores: Path, terminal: Output, known: Mapping[str, str]
) -> TrainingData:
    """Find, check, prepare, audit and split. Raises DatasetError for what cannot be trained on.

    `known` maps SHA-256 to the part that a photograph had in an earlier run.
    """
    found = discovery.scan_dataset(settings.data)
    shares = split.Shares(settings.test, settings.validation)
    split.check_enough(found, found.photographs, shares)
    drafted = draft_contract(found.labels, settings.size, settings.resize_mode)
    survey = survey_dataset(found, drafted, stores, terminal)
    entries, left_out = survey.store.entries, _left_out(found, survey, known)
    rows = [row for row, entry in enumerate(entries) if entry.file not in left_out]
    parts = _parts(found, survey, rows, shares, settings.seed, known)
    photographs = [found.photographs[row] for row in rows]
    hashes = [entries[row].sha256 for row in rows]
    manifest = split.format_manifest(photographs, parts, hashes, found.labels)
    return TrainingData(
        contract=_contract(drafted, settings, manifest, parts),
        store=survey.store,
        rows=np.array(rows),
        labels=np.array([photograph.label for photograph in photographs]),
        parts=np.array(parts),
        groups=_groups(survey.alike, rows),
        files=tuple(photograph.file for photograph in photographs),
        hashes=tuple(entry.sha256 for entry in entries),
        manifest=manifest,
        audit=survey.audit,
        left_out=left_out,
    )


def check_few(material: TrainingData) -> None:
    """Raise DatasetError for a run without a test part whose classes are large enough for one."""
    fewest = int(np.bincount(material.labels).min())
    if not material.find_places(discovery.TEST).size and fewest >= split.TEST_FROM:
        raise DatasetError(
            f"every class has {fewest} or more pictures, so that some can be tested on; --test 0 "
            f"is for classes of fewer than {split.TEST_FROM}. Omit it"
        )


def _left_out(found: discovery.Dataset, survey: Survey, known: Mapping[str, str]) -> dict[str, str]:
    """What cannot be trained on or tested by: file -> reason."""
    unread = {entry.file: entry.error for entry in survey.store.entries if entry.error}
    alike = _too_like_the_test(found, survey.alike)
    return found.ignored | unread | alike | _learned_before(found, survey.store, known)


def _parts(
    found: discovery.Dataset,
    survey: Survey,
    rows: Sequence[int],
    shares: split.Shares,
    seed: int,
    known: Mapping[str, str],
) -> list[str]:
    """The part of the photograph in each of these rows of the store."""
    places = {row: place for place, row in enumerate(rows)}
    photographs = [found.photographs[row] for row in rows]
    groups = ([places[row] for row in group if row in places] for group in survey.alike)
    alike = [group for group in groups if group]
    try:
        split.check_enough(found, photographs, shares, alike)
    except DatasetError as error:
        reasons = filter(None, (str(error), describe_missing_decoder(survey.store)))
        raise DatasetError(". ".join(reasons)) from error
    hashes = enumerate(survey.store.entries[row].sha256 for row in rows)
    before = {place: known[sha256] for place, sha256 in hashes if sha256 in known}
    if split.VALIDATION not in known.values():
        learned = {discovery.TRAIN: split.LEARNED}
        before = {place: learned.get(part, part) for place, part in before.items()}
    parts = split.assign_parts(photographs, shares, seed, alike, before)
    split.check_parts(parts, photographs, found, shares)
    return parts


def _groups(alike: Sequence[Sequence[int]], rows: Sequence[int]) -> NDArray[np.intp]:
    """The first row of the group that each row's picture belongs to, or the row itself."""
    first = {row: group[0] for group in alike for row in group}
    return np.array([first.get(row, row) for row in rows])


def _too_like_the_test(found: discovery.Dataset, alike: Sequence[Sequence[int]]) -> dict[str, str]:
    """Photographs given for training that look like one given for the test: file -> reason."""
    left_out = {}
    for group in alike:
        members = [found.photographs[row] for row in group]
        tested = [one.file for one in members if one.part == discovery.TEST]
        for one in members:
            if tested and one.part == discovery.TRAIN:
                left_out[one.file] = f"looks like {tested[0]}, which is tested on"
    return left_out


def _learned_before(
    found: discovery.Dataset, store: ImageCache, known: Mapping[str, str]
) -> dict[str, str]:
    """Photographs given for the test that an earlier run has learned from: file -> reason."""
    return {
        photograph.file: "the run that this one starts from has learned it"
        for photograph, entry in zip(found.photographs, store.entries, strict=True)
        if photograph.part == discovery.TEST
        and known.get(entry.sha256, discovery.TEST) != discovery.TEST
    }


def draft_contract(labels: tuple[str, ...], size: int, resize_mode: str) -> Contract:
    """A contract that says how pictures are prepared; the rest is not known yet."""
    return Contract(
        labels=labels,
        height=size,
        width=size,
        colour="rgb",
        resize_mode=resize_mode,
        resize_rule="box-linear-exact-1",
        normalisation="unit",
        confidence=Confidence(temperature=1.0, unknown_below=0.0),
        provenance=Provenance("", {}, 0, {}, {}),
    )


def _contract(
    drafted: Contract, settings: TrainConfig, manifest: str, parts: Sequence[str]
) -> Contract:
    """What the model will need said, but for what only training can tell."""
    return replace(
        drafted,
        normalisation=ARCHITECTURE_DEFAULTS[settings.architecture].normalisation,
        provenance=Provenance(
            manifest_sha256=hashlib.sha256(split.encode_manifest(manifest)).hexdigest(),
            pictures={part: Counter(parts)[part] for part in split.PARTS},
            seed=settings.seed,
            versions={package: version(package) for package in VERSIONS},
            accuracies={},
        ),
    )
