"""Taking files out of a data set: first a list of them, and only then, if wanted, the moving."""

import csv
import errno
import filecmp
import io
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vedette_edge.files import write_text
from vedette_train.data.audit import FINDING_KINDS, Audit
from vedette_train.errors import DatasetError

LIST = "quarantine.csv"  # what was moved, or would be
MOVING = ".moving.csv"  # what is being moved; stays behind where that was interrupted


@dataclass(frozen=True, slots=True)
class Suspect:
    """A file that is better not trained on."""

    file: str  # relative to the data folder
    reason: str
    listed_only: bool = False  # a person must look at it: it is never moved


def find_suspects(audit: Audit, folder: Path) -> list[Suspect]:
    """What cannot be read, further copies of a file, and all copies of one in several classes.

    Of those in several classes none stays, since only a person can tell which label is right.
    Likely label errors come last, the likeliest first, and are listed only.
    What an interrupted move left behind comes with it: the half of a pair looks harmless.
    """
    found = {one.file: one.reason for one in _read(folder / MOVING)}
    unsure: dict[str, str] = {}
    for finding in audit.findings:
        title = FINDING_KINDS[finding.kind].title
        if finding.kind == "label":
            unsure |= dict.fromkeys(finding.files, f"{title}, not moved: {finding.detail}")
        elif finding.kind in ("unreadable", "truncated", "identical-across-classes"):
            found |= dict.fromkeys(finding.files, title)
        elif finding.kind == "identical":
            copies = finding.files[1:]
            found |= dict.fromkeys(copies, f"{title}, as {finding.files[0]}")
    surely = [Suspect(file, reason) for file, reason in sorted(found.items())]
    perhaps = (Suspect(file, reason, True) for file, reason in unsure.items() if file not in found)
    return [*surely, *perhaps]


def write_list(found: Sequence[Suspect], folder: Path) -> Path:
    """Write FOLDER/quarantine.csv, which goes on naming what was moved before; moves nothing."""
    before = [one for one in _read(folder / LIST) if _is_there(folder / one.file)]
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / LIST, list({one.file: one for one in (*before, *found)}.values()))
    return folder / LIST


def move_files(found: Sequence[Suspect], data: Path, folder: Path) -> int:
    """Move files from the data folder to the same place in the quarantine; gives their number.

    Nothing is overwritten: if one is there already, DatasetError is raised before any is moved.
    """
    waiting = [one for one in found if not one.listed_only and _is_there(data / one.file)]
    for one in waiting:
        if _is_there(folder / one.file) and not _is_copied(data / one.file, folder / one.file):
            raise DatasetError(
                f"{folder / one.file}: is there already, and nothing was moved. "
                "Choose another folder"
            )
    _write(folder / MOVING, waiting)
    for one in waiting:
        _move(data / one.file, folder / one.file)
    (folder / MOVING).unlink()
    return len(waiting)


def _move(source: Path, target: Path) -> None:
    """Move a file, to another file system, too; it is whole in one of both places at any time."""
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
    """Whether a move to another file system ended between its two last steps."""
    return target.is_file() and source.is_file() and filecmp.cmp(source, target, shallow=False)


def _is_there(path: Path) -> bool:
    return os.path.lexists(path)  # a link to nowhere is there, too


def _read(path: Path) -> list[Suspect]:
    try:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            return [Suspect(row["file"], row["reason"]) for row in csv.DictReader(file)]
    except FileNotFoundError:
        return []
    except (KeyError, csv.Error) as error:
        raise DatasetError(
            f"{path}: is no list of a quarantine ({error!r}); choose another folder"
        ) from error


def _write(path: Path, found: Sequence[Suspect]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("file", "reason"))
    writer.writerows((one.file, one.reason) for one in found)
    write_text(path, text.getvalue())
