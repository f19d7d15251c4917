"""An earlier run that a new one begins from, and what has changed in the photographs since."""

import csv
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from vedette_edge.errors import VedetteError
from vedette_edge.model.contract import Contract, parse_contract
from vedette_train.errors import RunError
from vedette_train.run.folder import CHECKPOINT, CONTRACT, HEAD, MANIFEST, SETTINGS, WEIGHTS


@dataclass(frozen=True, slots=True)
class PreviousRun:
    """A finished run."""

    folder: Path
    architecture: str
    contract: Contract
    parts: Mapping[str, str]  # SHA-256 of a photograph -> train, validation or test
    labels: Mapping[str, str]  # SHA-256 of a photograph -> label

    @property
    def weights(self) -> Path | None:
        """The Keras model to descend from; None if its head is fitted in closed form."""
        return None if _has(self.folder, HEAD) else self.folder / WEIGHTS


@dataclass(frozen=True, slots=True)
class Changes:
    """What is different in the photographs, by their content: numbers of pictures."""

    since: str  # the earlier run
    added: int
    gone: int
    relabelled: int

    def __str__(self) -> str:
        return (
            f"since {self.since}: {self.added} pictures added, {self.gone} gone, "
            f"{self.relabelled} under another label"
        )


def load_previous_run(folder: Path, behind: tuple[Path, ...] = ()) -> PreviousRun:
    """Read a finished run. Raises RunError if there is none in the folder, or it is damaged.

    `behind` are runs that have started from it, which are not read again.
    """
    missing = [name for name in (WEIGHTS, CONTRACT, MANIFEST, SETTINGS) if not _has(folder, name)]
    if missing or _has(folder, CHECKPOINT):
        found = f"lacks {', '.join(missing)}" if missing else "was interrupted"
        raise RunError(f"{folder}: {found}; expected a finished run to start from")
    try:
        settings = json.loads((folder / SETTINGS).read_bytes())
        contract = parse_contract((folder / CONTRACT).read_bytes())
        with (folder / MANIFEST).open(
            encoding="utf-8", errors="surrogateescape", newline=""
        ) as file:
            rows = list(csv.DictReader(file))
        parts = {row["sha256"]: row["part"] for row in rows}
        labels = {row["sha256"]: row["label"] for row in rows}
        architecture, start = str(settings["architecture"]), settings.get("start")
        before = Path(start) if start else None
    except (VedetteError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{folder}: is damaged ({error}), expected a finished run") from error
    behind = (*behind, folder.resolve())
    if before and before.is_dir() and before.resolve() not in behind:
        # What the run before that one learned is in the weights, too.
        parts = dict(load_previous_run(before, behind).parts) | parts
    return PreviousRun(folder, architecture, contract, parts, labels)


def check_agrees(earlier: PreviousRun, architecture: str, contract: Contract) -> None:
    """Raise RunError if a run of this kind cannot begin from the earlier run's weights."""
    then, now = _essence(earlier.architecture, earlier.contract), _essence(architecture, contract)
    differing = [
        f"{key} was {then[key]} and is {value}" for key, value in now.items() if then[key] != value
    ]
    if differing:
        raise RunError(
            f"{earlier.folder}: cannot be started from: {'; '.join(differing)}. "
            "Give the same, or train without --start"
        )


def diff_runs(earlier: PreviousRun, now: Mapping[str, str]) -> Changes:
    """Compare photographs; `now` maps the SHA-256 of each to its label."""
    kept = earlier.labels.keys() & now.keys()
    return Changes(
        since=str(earlier.folder),
        added=len(now.keys() - kept),
        gone=len(earlier.labels.keys() - kept),
        relabelled=sum(earlier.labels[sha256] != now[sha256] for sha256 in kept),
    )


def _has(folder: Path, name: str) -> bool:
    return (folder / name).is_file()


def _essence(architecture: str, contract: Contract) -> dict[str, str]:
    """What makes the weights of one run fit another."""
    fields = asdict(contract)
    keys = ("height", "width", "resize_mode", "resize_rule", "normalisation")
    return (
        {"architecture": architecture}
        | {key: str(fields[key]) for key in keys}
        | {"labels": ", ".join(contract.labels)}
    )
