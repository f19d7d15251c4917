"""The photographs of a run: discovered, checked, prepared, audited and split."""

import hashlib
from collections import Counter
from collections.abc import Container, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from vedette_edge.console import Output
from vedette_edge.images.decoding import HEIF_INSTALL
from vedette_edge.model.contract import Confidence, Contract, Provenance
from vedette_train.config import ARCHITECTURE_DEFAULTS, TrainConfig
from vedette_train.data import split
from vedette_train.data.audit import Audit, audit_dataset
from vedette_train.data.discovery import Dataset, Photograph, group_alike, scan_dataset
from vedette_train.data.image_cache import ImageCache, open_cache
from vedette_train.data.layout import PARTS, TEST, TRAIN, VALIDATION
from vedette_train.data.near_duplicates import find_groups
from vedette_train.data.remote_folder import DataFolder, RemoteFolder
from vedette_train.data.workplace import Workplace
from vedette_train.errors import DatasetError

VERSIONS = ("vedette-train", "tensorflow", "keras", "numpy", "opencv-python-headless")


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Prepared photographs with their labels and parts, and the model's contract."""

    folder: DataFolder
    contract: Contract
    cache: ImageCache
    photographs: tuple[Photograph, ...]  # one a row of the cache; without a part: left out
    manifest: str  # the text of split.csv
    audit: Audit
    left_out: dict[str, str]  # file -> reason

    @property
    def hashes(self) -> list[str]:
        """SHA-256 of the file of each row."""
        return [photograph.sha256 for photograph in self.photographs]

    @property
    def groups(self) -> NDArray[np.intp]:
        """A number for each row, the same for those that look alike."""
        rows = {photograph.file: row for row, photograph in enumerate(self.photographs)}
        return np.array([rows[photograph.group] for photograph in self.photographs])

    def select_part(self, *parts: str) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Rows and labels of some parts."""
        rows = [row for row, one in enumerate(self.photographs) if one.part in parts]
        labels = [self.photographs[row].label for row in rows]
        return np.array(rows, np.intp), np.array(labels, np.intp)

    def list_photographs(self, *parts: str) -> list[Photograph]:
        """The photographs of some parts, in the order of their rows."""
        return [photograph for photograph in self.photographs if photograph.part in parts]

    @property
    def label_by_hash(self) -> dict[str, str]:
        """SHA-256 of each photograph -> its label."""
        used = self.list_photographs(*PARTS)
        return {photograph.sha256: self.contract.labels[photograph.label] for photograph in used}


@dataclass(frozen=True, slots=True)
class Survey:
    """A data set whose photographs are read and compared, its prepared images and its audit."""

    dataset: Dataset
    cache: ImageCache  # a row for each photograph of the data set
    audit: Audit


def survey_dataset(dataset: Dataset, contract: Contract, place: Workplace) -> Survey:
    """Prepare the images that are not in the cache yet, compare all of them, and audit them."""
    with place.output.show_progress("preparing pictures", len(dataset.photographs)) as advance:
        cache = open_cache(dataset, contract, place, advance)
    if missing := describe_missing_decoder(cache):
        place.output.err.print(missing, style="bold red")
    first = {row: cache.entries[group[0]].file for group in find_groups(cache) for row in group}
    photographs = tuple(
        replace(one, sha256=cache.entries[row].sha256, group=first.get(row, one.file))
        for row, one in enumerate(dataset.photographs)
    )
    dataset = replace(dataset, photographs=photographs)
    return Survey(dataset, cache, audit_dataset(dataset, cache.entries, contract))


def describe_missing_decoder(cache: ImageCache) -> str:
    """The number of images that lack a decoder, with the fix; an empty string if there are none."""
    count = sum(entry.lacks_decoder for entry in cache.entries)
    left_out = f"{count} of {len(cache.entries)} pictures are HEIC or AVIF and are left out"
    return f"{left_out}. To read them: {HEIF_INSTALL}" if count else ""


def load_training_data(
    folder: DataFolder, config: TrainConfig, place: Workplace, known: Mapping[str, str]
) -> TrainingData:
    """Scan, check, prepare, audit and split. Raises DatasetError if training is not possible.

    `known` maps SHA-256 to the part that a photograph had in an earlier run.
    """
    if isinstance(folder, RemoteFolder):
        place.output.err.print(f"listing {folder} ...")
    dataset = scan_dataset(folder)
    if not config.validation:
        dataset = _join_validation(dataset, place.output)
    split.check_enough(dataset, split.Shares(config.test, config.validation))
    draft = draft_contract(dataset.labels, config.size, config.resize_mode)
    survey = survey_dataset(dataset, draft, place)
    left_out = _leave_out(survey, known)
    parts = _assign_parts(survey, left_out, config, known)
    photographs = [replace(one, part=parts.get(one.file, "")) for one in survey.dataset.photographs]
    used = (photograph for photograph in photographs if photograph.part)
    manifest = split.format_manifest(used, dataset.labels)
    return TrainingData(
        folder=folder,
        contract=_complete_contract(draft, config, manifest, Counter(parts.values())),
        cache=survey.cache,
        photographs=tuple(photographs),
        manifest=manifest,
        audit=survey.audit,
        left_out=left_out,
    )


def _join_validation(dataset: Dataset, terminal: Output) -> Dataset:
    """A data set whose validation folder belongs to its train folder, and a message about it.

    Without a test folder, there is no split left then.
    """
    counts = Counter(photograph.part for photograph in dataset.photographs)
    if counts[VALIDATION]:
        terminal.err.print(
            f"{counts[VALIDATION]} validation pictures join training: this head needs none"
        )
    training = TRAIN if counts[TEST] else ""
    photographs = (
        replace(one, part=TEST if one.part == TEST else training) for one in dataset.photographs
    )
    return replace(dataset, photographs=tuple(photographs))


def check_few(data: TrainingData) -> None:
    """Raise DatasetError for a run without a test part whose classes are large enough for one."""
    fewest = int(np.bincount(data.select_part(*PARTS)[1]).min())
    if not data.list_photographs(TEST) and fewest >= split.TEST_FROM:
        raise DatasetError(
            f"every class has {fewest} or more pictures, enough for a test part; --test 0 "
            f"is for classes of fewer than {split.TEST_FROM}. Omit it"
        )


def _leave_out(survey: Survey, known: Mapping[str, str]) -> dict[str, str]:
    """Files that are neither trained nor tested on -> reason."""
    unread = {entry.file: entry.error for entry in survey.cache.entries if entry.error}
    learned = _find_learned(survey.dataset, known)
    duplicates = _find_test_duplicates(survey.dataset, learned)
    return survey.dataset.ignored | unread | duplicates | learned


def _find_learned(dataset: Dataset, known: Mapping[str, str]) -> dict[str, str]:
    """Photographs of the test folder that an earlier run learned, or that look so -> reason."""
    reasons = {}
    for group in group_alike(dataset.photographs):
        learned = [one.file for one in group if known.get(one.sha256, TEST) != TEST]
        for one in group:
            if learned and one.part == TEST:
                it = "it" if one.file in learned else f"{learned[0]}, which looks like it"
                reasons[one.file] = f"the run that this one starts from has learned {it}"
    return reasons


def _find_test_duplicates(dataset: Dataset, learned: Container[str]) -> dict[str, str]:
    """Photographs of other parts' folders that look like one that is tested on -> reason."""
    reasons = {}
    for group in group_alike(dataset.photographs):
        tested = [one.file for one in group if one.part == TEST and one.file not in learned]
        for one in group:
            if tested and one.part != TEST:
                reasons[one.file] = f"looks like {tested[0]}, which is tested on"
    return reasons


def _assign_parts(
    survey: Survey, left_out: Mapping[str, str], config: TrainConfig, known: Mapping[str, str]
) -> dict[str, str]:
    """Assign a part to each photograph that is not left out, by file."""
    shares = split.Shares(config.test, config.validation)
    used = tuple(one for one in survey.dataset.photographs if one.file not in left_out)
    dataset = replace(survey.dataset, photographs=used)
    try:
        split.check_enough(dataset, shares)
    except DatasetError as error:
        why = describe_missing_decoder(survey.cache) or _describe_left_out(survey, left_out)
        raise DatasetError(". ".join(filter(None, (str(error), why)))) from error
    if VALIDATION not in known.values():
        learned = {TRAIN: split.LEARNED}
        known = {sha256: learned.get(part, part) for sha256, part in known.items()}
    parts = split.assign_parts(used, shares, config.seed, known)
    split.check_parts(parts, dataset, shares)
    return parts


def _describe_left_out(survey: Survey, left_out: Mapping[str, str]) -> str:
    """The reason why the smallest class has lost photographs; an empty string if it has not."""
    photographs, labels = survey.dataset.photographs, survey.dataset.labels
    used = Counter(one.label for one in photographs if one.file not in left_out)
    smallest = min(range(len(labels)), key=used.__getitem__)
    lost = [one.file for one in photographs if one.label == smallest and one.file in left_out]
    if not lost:
        return ""
    count = f"{len(lost)} pictures of {labels[smallest]} are left out"
    return f"{count}, for example {lost[0]}: {left_out[lost[0]]}"


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
    draft: Contract, config: TrainConfig, manifest: str, pictures: Counter[str]
) -> Contract:
    """The model's contract, except for the values that training measures."""
    return replace(
        draft,
        normalisation=ARCHITECTURE_DEFAULTS[config.architecture].normalisation,
        provenance=Provenance(
            manifest_sha256=hashlib.sha256(manifest.encode(errors="surrogateescape")).hexdigest(),
            pictures={part: pictures[part] for part in PARTS},
            seed=config.seed,
            versions={package: version(package) for package in VERSIONS},
            accuracies={},
        ),
    )
