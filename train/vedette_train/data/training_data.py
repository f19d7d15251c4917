"""The photographs of a run: discovered, checked, prepared, audited and split."""

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
from vedette_train.data import split
from vedette_train.data.audit import Audit
from vedette_train.data.discovery import TEST, TRAIN, scan_dataset
from vedette_train.data.image_cache import ImageCache
from vedette_train.data.survey import Survey, describe_missing_decoder, survey_dataset
from vedette_train.errors import DatasetError

VERSIONS = ("vedette-train", "tensorflow", "keras", "numpy", "opencv-python-headless")


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Prepared photographs with their labels and parts, and the model's contract."""

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
        """Indices of the photographs of some parts."""
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
    config: TrainConfig, stores: Path, terminal: Output, known: Mapping[str, str]
) -> TrainingData:
    """Scan, check, prepare, audit and split. Raises DatasetError if training is not possible.

    `known` maps SHA-256 to the part that a photograph had in an earlier run.
    """
    dataset, shares = scan_dataset(config.data), split.Shares(config.test, config.validation)
    split.check_enough(dataset, dataset.photographs, shares)
    draft = draft_contract(dataset.labels, config.size, config.resize_mode)
    survey = survey_dataset(dataset, draft, stores, terminal)
    entries, left_out = survey.store.entries, _leave_out(survey, known)
    rows = [row for row, entry in enumerate(entries) if entry.file not in left_out]
    parts = _assign_parts(survey, rows, config, known)
    photographs = [dataset.photographs[row] for row in rows]
    hashes = [entries[row].sha256 for row in rows]
    manifest = split.format_manifest(photographs, parts, hashes, dataset.labels)
    return TrainingData(
        contract=_complete_contract(draft, config, manifest, parts),
        store=survey.store,
        rows=np.array(rows),
        labels=np.array([photograph.label for photograph in photographs]),
        parts=np.array(parts),
        groups=_label_groups(survey.alike, rows),
        files=tuple(photograph.file for photograph in photographs),
        hashes=tuple(entry.sha256 for entry in entries),
        manifest=manifest,
        audit=survey.audit,
        left_out=left_out,
    )


def check_few(data: TrainingData) -> None:
    """Raise DatasetError for a run without a test part whose classes are large enough for one."""
    fewest = int(np.bincount(data.labels).min())
    if not data.find_places(TEST).size and fewest >= split.TEST_FROM:
        raise DatasetError(
            f"every class has {fewest} or more pictures, enough for a test part; --test 0 "
            f"is for classes of fewer than {split.TEST_FROM}. Omit it"
        )


def _leave_out(survey: Survey, known: Mapping[str, str]) -> dict[str, str]:
    """Files that are neither trained nor tested on -> reason."""
    unread = {entry.file: entry.error for entry in survey.store.entries if entry.error}
    leaks = _find_test_duplicates(survey) | _find_learned_tests(survey, known)
    return survey.dataset.ignored | unread | leaks


def _assign_parts(
    survey: Survey, rows: Sequence[int], config: TrainConfig, known: Mapping[str, str]
) -> list[str]:
    """The part of the photograph in each of these rows of the store."""
    dataset, entries = survey.dataset, survey.store.entries
    shares = split.Shares(config.test, config.validation)
    places = {row: place for place, row in enumerate(rows)}
    photographs = [dataset.photographs[row] for row in rows]
    groups = ([places[row] for row in group if row in places] for group in survey.alike)
    alike = [group for group in groups if group]
    try:
        split.check_enough(dataset, photographs, shares, alike)
    except DatasetError as error:
        reasons = filter(None, (str(error), describe_missing_decoder(survey.store)))
        raise DatasetError(". ".join(reasons)) from error
    hashes = enumerate(entries[row].sha256 for row in rows)
    before = {place: known[sha256] for place, sha256 in hashes if sha256 in known}
    if split.VALIDATION not in known.values():
        learned = {TRAIN: split.LEARNED}
        before = {place: learned.get(part, part) for place, part in before.items()}
    parts = split.assign_parts(photographs, shares, config.seed, alike, before)
    split.check_parts(parts, photographs, dataset, shares)
    return parts


def _label_groups(alike: Sequence[Sequence[int]], rows: Sequence[int]) -> NDArray[np.intp]:
    """The first row of each row's group of look-alikes, or the row itself."""
    first = {row: group[0] for group in alike for row in group}
    return np.array([first.get(row, row) for row in rows])


def _find_test_duplicates(survey: Survey) -> dict[str, str]:
    """Photographs of the train folder that look like one of the test folder -> reason."""
    reasons = {}
    for group in survey.alike:
        members = [survey.dataset.photographs[row] for row in group]
        tested = [one.file for one in members if one.part == TEST]
        for one in members:
            if tested and one.part == TRAIN:
                reasons[one.file] = f"looks like {tested[0]}, which is tested on"
    return reasons


def _find_learned_tests(survey: Survey, known: Mapping[str, str]) -> dict[str, str]:
    """Photographs of the test folder that an earlier run has learned -> reason."""
    return {
        photograph.file: "the run that this one starts from has learned it"
        for photograph, entry in zip(survey.dataset.photographs, survey.store.entries, strict=True)
        if photograph.part == TEST and known.get(entry.sha256, TEST) != TEST
    }


def draft_contract(labels: tuple[str, ...], size: int, resize_mode: str) -> Contract:
    """A contract that is complete enough to prepare images; training completes the rest."""
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


def _complete_contract(
    draft: Contract, config: TrainConfig, manifest: str, parts: Sequence[str]
) -> Contract:
    """The model's contract, except for the values that training measures."""
    return replace(
        draft,
        normalisation=ARCHITECTURE_DEFAULTS[config.architecture].normalisation,
        provenance=Provenance(
            manifest_sha256=hashlib.sha256(split.encode_manifest(manifest)).hexdigest(),
            pictures={part: Counter(parts)[part] for part in split.PARTS},
            seed=config.seed,
            versions={package: version(package) for package in VERSIONS},
            accuracies={},
        ),
    )
