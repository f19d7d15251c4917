"""What conversion reads of a run folder, checked."""

import csv
import hashlib
import io
import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vedette_convert.errors import RunFolderError
from vedette_edge import files
from vedette_edge.errors import ImageError, VedetteError
from vedette_edge.head.record import HeadRecord
from vedette_edge.head.record import parse_head as head_from_json
from vedette_edge.images import decoding
from vedette_edge.images.preprocessing import Image
from vedette_edge.model.contract import Contract, parse_contract

WEIGHTS, CONTRACT = "Trained_Weight.h5", "contract.json"
MANIFEST, SETTINGS = "split.csv", "settings.json"
HEAD = "head.json"  # of a head in closed form; others have none
FILES = (WEIGHTS, CONTRACT, MANIFEST, SETTINGS, HEAD, "train.log")
TRAIN, TEST = "train", "test"  # parts in split.csv


@dataclass(frozen=True, slots=True)
class Photograph:
    """A line of split.csv."""

    part: str  # train, validation or test
    label: str
    file: Path
    sha256: str

    def read(self) -> Image:
        """The picture, R G B. Raises RunFolderError if the file is not what training saw."""
        try:
            content = files.read_bounded(self.file)
        except OSError as error:
            raise RunFolderError(
                f"{self.file}: {error.strerror}. "
                "If the photographs have moved, say where with --data"
            ) from error
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise RunFolderError(f"{self.file}: has changed since training. Train again")
        try:
            return decoding.decode_image(content)
        except ImageError as error:
            raise RunFolderError(f"{self.file}: {error}") from error


@dataclass(frozen=True, slots=True)
class Run:
    """A trained run, ready to be converted."""

    weights: Path
    contract: Contract
    photographs: tuple[Photograph, ...]
    head: HeadRecord | None = None  # of a head that can be fitted again

    @property
    def learned(self) -> list[Photograph]:
        """The photographs that were learned from or calibrated with."""
        return [photograph for photograph in self.photographs if photograph.part != TEST]

    @property
    def judged(self) -> list[Photograph]:
        """The photographs that conversion judges by: the test part, or else the learned ones.

        What these show is left out, since a model is right on what it has learned; agreement is
        what is left to judge.
        """
        tested = self.part(TEST)
        return tested or [replace(photograph, label="") for photograph in self.learned]

    def part(self, name: str) -> list[Photograph]:
        """The photographs of one part."""
        return [photograph for photograph in self.photographs if photograph.part == name]


def load_run(folder: Path, data: Path | None = None) -> Run:
    """Read a run folder; `data` says where the photographs are now, if they have moved.

    Raises RunFolderError for what is missing, damaged or does not belong together.
    """
    _check_complete(folder)
    try:
        contract = parse_contract((folder / CONTRACT).read_bytes())
    except VedetteError as error:
        raise RunFolderError(f"{folder / CONTRACT}: {error}") from error
    manifest = (folder / MANIFEST).read_bytes()
    if hashlib.sha256(manifest).hexdigest() != contract.provenance.manifest_sha256:
        raise RunFolderError(
            f"{folder}: {MANIFEST} is not the one that {CONTRACT} was written for. Train again"
        )
    settings = _settings(folder / SETTINGS)
    run = Run(folder / WEIGHTS, contract, _photographs(manifest, data or _data(folder, settings)))
    if (folder / HEAD).exists():
        return replace(run, head=_read_head(folder / HEAD, run))
    if settings.get("head") == "discriminant" and not settings.get("fine_tune"):
        raise RunFolderError(f"{folder}: lacks {HEAD}, and its head is of closed form. Train again")
    return run


def _check_complete(folder: Path) -> None:
    if not folder.is_dir():
        raise RunFolderError(f"{folder}: is no folder; expected one that vedette-train fit made")
    missing = [
        name for name in (WEIGHTS, CONTRACT, MANIFEST, SETTINGS) if not (folder / name).is_file()
    ]
    if missing:
        raise RunFolderError(
            f"{folder}: lacks {', '.join(missing)}; expected a folder that vedette-train fit made. "
            "If training was interrupted, give its command again, with --resume if that is possible"
        )


def _read_head(path: Path, run: Run) -> HeadRecord:
    try:
        record = head_from_json(files.read_bounded(path))
    except (VedetteError, OSError) as error:
        raise RunFolderError(f"{path}: {error}") from error
    if found := _head_objection(record, run):
        raise RunFolderError(f"{path}: {found}. They are not of one run: train again")
    return record


def _head_objection(record: HeadRecord, run: Run) -> str:
    """A reason why a head cannot be fitted again to a run's pictures, or empty."""
    learned, labels = run.learned, run.contract.labels
    if len(record.folds) != len(learned):
        return (
            f"has {len(record.folds)} folds, and {MANIFEST} {len(learned)} pictures that were "
            "learned"
        )
    folds: dict[str, set[int]] = {label: set() for label in labels[: record.classes(len(labels))]}
    for photograph, fold in zip(learned, record.folds, strict=True):
        if photograph.label not in folds:
            return f"says that {photograph.label!r} of {MANIFEST} is no label of {CONTRACT}"
        folds[photograph.label].add(fold)
    # Of each fold, a head is fitted to the others.
    few = [label for label, its in folds.items() if len(its) < 2]
    return f"has fewer than two folds with pictures of {', '.join(few)}" if few else ""


def _settings(path: Path) -> dict[str, Any]:
    """The settings of a run; none of a damaged file."""
    try:
        found = json.loads(path.read_bytes())
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {}


def _data(folder: Path, settings: Mapping[str, Any]) -> Path:
    """The folder of the photographs."""
    if not isinstance(settings.get("data"), str):
        raise RunFolderError(
            f"{folder / SETTINGS}: does not say where the photographs are. Give --data"
        )
    return Path(settings["data"])


def _photographs(manifest: bytes, root: Path) -> tuple[Photograph, ...]:
    lines = io.StringIO(manifest.decode(errors="surrogateescape"), newline="")
    return tuple(
        Photograph(row["part"], row["label"], root / row["file"], row["sha256"])
        for row in csv.DictReader(lines)
    )


def sample_photographs(photographs: Sequence[Photograph], count: int) -> list[Photograph]:
    """Photographs drawn from every class alike, the same each time: a first of each, a second ...

    `count` of them, or one of each class if there are more classes.
    """
    drawn = random.Random(0).sample(photographs, len(photographs))
    ranks: Counter[str] = Counter()
    ranked = []
    for photograph in drawn:
        ranks[photograph.label] += 1
        ranked.append((ranks[photograph.label], photograph.label, photograph))
    ranked.sort(key=lambda one: one[:2])
    return [photograph for *_, photograph in ranked[: max(count, len(ranks))]]
