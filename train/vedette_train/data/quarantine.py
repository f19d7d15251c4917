"""Files that are taken out of a data set: listed first, and moved only if asked."""

import csv
import errno
import filecmp
import io
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vedette_edge.files import write_text
from vedette_train.data.audit import FINDING_KINDS, Audit
from vedette_train.errors import DatasetError

LIST = "quarantine.csv"  # files that were moved, or would be
MOVING = ".moving.csv"  # files of the current move; remains if it was interrupted


@dataclass(frozen=True, slots=True)
class Suspect:
    """A file that is better not trained on."""

    file: str  # relative to the data folder
    reason: str
    listed_only: bool = False  # a person must look at it: it is never moved


def find_suspects(audit: Audit, folder: Path) -> list[Suspect]:
    """Files that cannot be read, further copies of a file, and all copies in several classes.

    All copies in several classes go, since only a person can tell which label is right. Likely
    label errors come last, the likeliest first, and are only listed. Includes the rest of an
    interrupted move, since one file of a pair alone is no longer a finding.
    """
    reasons = {suspect.file: suspect.reason for suspect in _read_list(folder / MOVING)}
    unsure: dict[str, str] = {}
    for finding in audit.findings:
        title = FINDING_KINDS[finding.kind].title
        if finding.kind == "label":
            unsure |= dict.fromkeys(finding.files, f"{title}, not moved: {finding.detail}")
        elif finding.kind in ("unreadable", "truncated", "identical-across-classes"):
            reasons |= dict.fromkeys(finding.files, title)
        elif finding.kind == "identical":
            original, *copies = finding.files
            reasons |= dict.fromkeys(copies, f"{title}, as {original}")
    certain = [Suspect(file, reason) for file, reason in sorted(reasons.items())]
    doubtful = {file: why for file, why in unsure.items() if file not in reasons}
    return certain + [Suspect(file, why, listed_only=True) for file, why in doubtful.items()]


def write_list(suspects: Sequence[Suspect], folder: Path) -> Path:
    """Write FOLDER/quarantine.csv, which keeps the files that were moved before; moves nothing."""
    moved = [one for one in _read_list(folder / LIST) if os.path.lexists(folder / one.file)]
    folder.mkdir(parents=True, exist_ok=True)
    _write_rows(folder / LIST, {one.file: one for one in (*moved, *suspects)}.values())
    return folder / LIST


def move_files(suspects: Sequence[Suspect], data: Path, folder: Path) -> int:
    """Move files from the data folder to the same place in the quarantine; returns their number.

    Overwrites nothing: raises DatasetError before the first move if a file exists there already.
    """
    waiting = [one for one in suspects if not one.listed_only and os.path.lexists(data / one.file)]
    for one in waiting:
        source, target = data / one.file, folder / one.file
        if os.path.lexists(target) and not _is_copied(source, target):
            raise DatasetError(
                f"{target}: exists already, and nothing was moved. Choose another folder"
            )
    _write_rows(folder / MOVING, waiting)
    for one in waiting:
        _move_file(data / one.file, folder / one.file)
    (folder / MOVING).unlink()
    return len(waiting)


def _move_file(source: Path, target: Path) -> None:
    """Move a file, also to another file system; at any time one of both places has all of it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        source.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        part = target.with_name(f".{target.name}-part")
        shutil.copy2(source, part, follow_symlinks=False)
        part.rename(target)
        source.unlink()


def _is_copied(source: Path, target: Path) -> bool:
    """True if a move to another file system ended between its last two steps."""
    return target.is_file() and source.is_file() and filecmp.cmp(source, target, shallow=False)


def _read_list(path: Path) -> list[Suspect]:
    try:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            return [Suspect(row["file"], row["reason"]) for row in csv.DictReader(file)]
    except FileNotFoundError:
        return []
    except (KeyError, csv.Error) as error:
        raise DatasetError(
            f"{path}: not a quarantine list ({error!r}); choose another folder"
        ) from error


def _write_rows(path: Path, suspects: Iterable[Suspect]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("file", "reason"))
    writer.writerows((one.file, one.reason) for one in suspects)
    write_text(path, text.getvalue())
