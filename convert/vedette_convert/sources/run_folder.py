"""What conversion reads of a run folder, checked."""

import csv
import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from vedette_convert.errors import RunFolderError
from vedette_convert.run import Photograph, Run
from vedette_edge import files
from vedette_edge.errors import VedetteError
from vedette_edge.head.record import HeadRecord
from vedette_edge.head.record import parse_head as head_from_json
from vedette_edge.model.contract import parse_contract

WEIGHTS, CONTRACT = "Trained_Weight.h5", "contract.json"
MANIFEST, SETTINGS = "split.csv", "settings.json"
HEAD = "head.json"  # of a head in closed form; others have none
FILES = (WEIGHTS, CONTRACT, MANIFEST, SETTINGS, HEAD, "train.log")


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
