"""The run folder of vedette-train, read and checked without TensorFlow."""

import csv
import fcntl
import hashlib
import io
import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from vedette_convert.errors import RunFolderError
from vedette_convert.run import Photograph, Run, StrPath
from vedette_edge import files
from vedette_edge.errors import VedetteError
from vedette_edge.head.record import HeadRecord, parse_head
from vedette_edge.images.sources import is_url
from vedette_edge.model.contract import parse_contract

WEIGHTS, CONTRACT = "Trained_Weight.h5", "contract.json"
MANIFEST, SETTINGS = "split.csv", "settings.json"
HEAD = "head.json"  # of a head in closed form; others have none
CHECKPOINT = "checkpoint.npz"  # of an interrupted gradient descent
LOCK = "train.lock"  # locked during training
FILES = (WEIGHTS, CONTRACT, MANIFEST, SETTINGS, HEAD, "train.log")


def load_run(folder: Path, data: StrPath | None = None) -> Run:
    """Read a run folder; `data` is the folder of the photographs, or its URL, if they have moved.

    Raises RunFolderError for a run that is not finished, and for files that are missing, damaged
    or not of one run; and SettingError for a URL that is not read.
    """
    _check_idle(folder)
    _check_complete(folder)
    try:
        contract = parse_contract((folder / CONTRACT).read_bytes())
    except VedetteError as error:
        raise RunFolderError(f"{folder / CONTRACT}: {error}") from error
    manifest = (folder / MANIFEST).read_bytes()
    if hashlib.sha256(manifest).hexdigest() != contract.provenance.manifest_sha256:
        raise RunFolderError(f"{folder}: {MANIFEST} does not belong to {CONTRACT}. Train again")
    settings = _read_settings(folder / SETTINGS)
    root = os.fspath(data) if data else _find_data(folder / SETTINGS, settings)
    run = Run(folder / WEIGHTS, contract, _parse_manifest(manifest, root))
    if (folder / HEAD).exists():
        return replace(run, head=_read_head(folder / HEAD, run))
    if settings.get("head") == "discriminant" and not settings.get("fine_tune"):
        raise RunFolderError(f"{folder}: {HEAD} not found, and its head needs it. Train again")
    return run


def _check_idle(folder: Path) -> None:
    """Raise RunFolderError if a process is training in the folder."""
    with suppress(FileNotFoundError), (folder / LOCK).open(encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RunFolderError(
                f"{folder}: process {file.read()} is training in this folder. Wait until it "
                "ends, and then convert"
            ) from error


def _check_complete(folder: Path) -> None:
    required = (WEIGHTS, CONTRACT, MANIFEST, SETTINGS)
    missing = [name for name in required if not (folder / name).is_file()]
    interrupted = (folder / CHECKPOINT).is_file()
    if not missing and not interrupted:
        return
    if WEIGHTS not in missing and not interrupted:  # training writes it last
        raise RunFolderError(f"{folder}: {', '.join(missing)} not found. Train again")
    if interrupted or any((folder / name).exists() for name in FILES):
        problem = "was interrupted" if interrupted else "this run did not finish"
        resume = ", with --resume" if interrupted else ""
        raise RunFolderError(
            f"{folder}: {problem}. Repeat the command of vedette-train that began it{resume}, and "
            "then convert"
        )
    raise RunFolderError(
        f"{folder}: not a run: expected a folder that vedette-train fit wrote, with "
        f"{', '.join(required)}"
    )


def _read_head(path: Path, run: Run) -> HeadRecord:
    try:
        record = parse_head(files.read_bounded(path))
    except (VedetteError, OSError) as error:
        raise RunFolderError(f"{path}: {error}") from error
    if objection := _find_head_objection(record, run):
        raise RunFolderError(f"{path}: {objection}. They are not of one run: train again")
    return record


def _find_head_objection(record: HeadRecord, run: Run) -> str:
    """Find a reason why a head cannot be fitted again to a run's photographs; empty if none."""
    learned, labels = run.learned, run.contract.labels
    if len(record.folds) != len(learned):
        return f"has {len(record.folds)} folds for {len(learned)} learned pictures of {MANIFEST}"
    folds: dict[str, set[int]] = {label: set() for label in labels[: record.classes(len(labels))]}
    for photograph, fold in zip(learned, record.folds, strict=True):
        if photograph.label not in folds:
            return f"{photograph.label!r} of {MANIFEST} is not a label of {CONTRACT}"
        folds[photograph.label].add(fold)
    # For each fold, a head is fitted to the others.
    few = [label for label, its in folds.items() if len(its) < 2]
    return f"has fewer than two folds with pictures of {', '.join(few)}" if few else ""


def _read_settings(path: Path) -> dict[str, Any]:
    """Read the settings of a run; an empty dict if the file is damaged."""
    try:
        settings = json.loads(path.read_bytes())
    except ValueError:
        return {}
    return settings if isinstance(settings, dict) else {}


def _find_data(path: Path, settings: Mapping[str, Any]) -> str:
    if not isinstance(settings.get("data"), str):
        raise RunFolderError(f"{path}: does not name the folder of the photographs. Use --data")
    return str(settings["data"])


def _parse_manifest(manifest: bytes, root: str) -> tuple[Photograph, ...]:
    lines = io.StringIO(manifest.decode(errors="surrogateescape"), newline="")
    locate = _create_locator(root)
    return tuple(
        Photograph(row["part"], row["label"], locate(row["file"]), row["sha256"])
        for row in csv.DictReader(lines)
    )


def _create_locator(root: str) -> Callable[[str], str]:
    """Create a function that makes a path or a URL of a name in a folder."""
    if not is_url(root):
        return lambda name: str(Path(root, name))
    from vedette_edge.images import remote  # imports an optional package

    folder = remote.check_folder_url(root)
    return lambda name: remote.join_url(folder, name)
