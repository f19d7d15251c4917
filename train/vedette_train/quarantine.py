"""Taking files out of a data set: first a list of them, and only then, if wanted, the moving."""

import csv
import io
import shutil
from dataclasses import dataclass
from pathlib import Path

from vedette_edge.atomic import write_text
from vedette_train.audit import KINDS, Audit
from vedette_train.errors import DatasetError

LIST = "quarantine.csv"


@dataclass(frozen=True, slots=True)
class Suspect:
    """A file that is better not trained on."""

    file: str  # relative to the data folder
    reason: str


def suspects(audit: Audit) -> list[Suspect]:
    """What cannot be read, further copies of a file, and all copies of one in several classes.

    Of those in several classes none stays, since only a person can tell which label is right.
    """
    found: dict[str, str] = {}
    for finding in audit.findings:
        title = KINDS[finding.kind].title
        if finding.kind in ("unreadable", "truncated", "identical-across-classes"):
            found |= dict.fromkeys(finding.files, title)
        elif finding.kind == "identical":
            copies = finding.files[1:]
            found |= dict.fromkeys(copies, f"{title}, as {finding.files[0]}")
    return [Suspect(file, reason) for file, reason in sorted(found.items())]


def check_outside(data: Path, folder: Path) -> None:
    """Raise DatasetError if the quarantine would lie within the data set."""
    if data.resolve() in (folder.resolve(), *folder.resolve().parents):
        raise DatasetError(f"{folder}: lies within {data}; choose a folder outside of it")


def write_list(found: list[Suspect], folder: Path) -> Path:
    """Write FOLDER/quarantine.csv; moves nothing."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("file", "reason"))
    writer.writerows((suspect.file, suspect.reason) for suspect in found)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / LIST, text.getvalue())
    return folder / LIST


def move(found: list[Suspect], data: Path, folder: Path) -> None:
    """Move files from the data folder to the same place in the quarantine.

    Nothing is overwritten: if one is there already, DatasetError is raised before any is moved.
    """
    for suspect in found:
        if (folder / suspect.file).exists():
            raise DatasetError(
                f"{folder / suspect.file}: is there already, and nothing was moved. "
                "Choose another folder"
            )
    for suspect in found:
        (folder / suspect.file).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(data / suspect.file, folder / suspect.file)
