"""An earlier run that a new one starts from, and changes of the photographs since."""

import csv
import io
from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path

from vedette_edge.errors import VedetteError
from vedette_edge.model.contract import Contract, parse_contract
from vedette_train.errors import RunError
from vedette_train.run import folder as run_folder


@dataclass(frozen=True, slots=True)
class PreviousRun:
    """A finished run."""

    folder: Path
    architecture: str
    contract: Contract
    parts: Mapping[str, str]  # SHA-256 of a photograph -> train, validation or test; of all runs
    labels: Mapping[str, str]  # SHA-256 of a photograph -> label

    @property
    def weights(self) -> Path | None:
        """The Keras model with the initial weights; None if its head is in closed form."""
        closed = (self.folder / run_folder.HEAD).is_file()
        return None if closed else self.folder / run_folder.WEIGHTS


@dataclass(frozen=True, slots=True)
class Changes:
    """Numbers of images that have changed, by content."""

    since: str  # the earlier run
    added: int
    gone: int
    relabelled: int

    def __str__(self) -> str:
        return (
            f"since {self.since}: {self.added} pictures added, {self.gone} gone, "
            f"{self.relabelled} under another label"
        )


def load_previous_run(folder: Path, later: tuple[Path, ...] = ()) -> PreviousRun:
    """Read a finished run. Raises RunError if the folder holds none, or a damaged one.

    `later` are runs that have started from it; they are not read again.
    """
    required = (run_folder.WEIGHTS, run_folder.CONTRACT, run_folder.MANIFEST, run_folder.SETTINGS)
    missing = [name for name in required if not (folder / name).is_file()]
    if missing or (folder / run_folder.CHECKPOINT).is_file():
        problem = f"lacks {', '.join(missing)}" if missing else "was interrupted"
        raise RunError(f"{folder}: {problem}; expected a finished run to start from")
    try:
        settings = run_folder.load_settings(folder)
        contract = parse_contract((folder / run_folder.CONTRACT).read_bytes())
        rows = _read_rows(folder / run_folder.MANIFEST)
        parts = {row["sha256"]: row["part"] for row in rows}
        labels = {row["sha256"]: row["label"] for row in rows}
        architecture, start = str(settings["architecture"]), settings.get("start")
        before = Path(start) if start else None
        # The weights also depend on the photographs of the runs before.
        parts = _load_earlier(folder, before, (*later, folder.resolve())) | parts
    except RunError:
        raise
    except (VedetteError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{folder}: is damaged ({error}), expected a finished run") from error
    return PreviousRun(folder, architecture, contract, parts, labels)


def _load_earlier(folder: Path, before: Path | None, later: tuple[Path, ...]) -> dict[str, str]:
    """The parts of the photographs of all runs before one, by SHA-256.

    Its folder states them. If an older version of Vedette wrote it, they are in those of `before`.
    """
    path = folder / run_folder.EARLIER
    if path.is_file():
        return {row["sha256"]: row["part"] for row in _read_rows(path)}
    if not before or before.resolve() in later:
        return {}
    if not before.is_dir():
        raise RunError(
            f"{folder}: started from {before}, which is gone, and only that folder tells which "
            "photographs it learned. Move it back there, or train without --start"
        )
    return dict(load_previous_run(before, later).parts)


def _read_rows(path: Path) -> list[dict[str, str]]:
    text = path.read_bytes().decode(errors="surrogateescape")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def format_earlier(previous: PreviousRun, present: Container[str]) -> str:
    """The text of earlier.csv: part and SHA-256 of photographs that are not `present` any more."""
    earlier = ((sha256, part) for sha256, part in previous.parts.items() if sha256 not in present)
    return "".join(("part,sha256\n", *(f"{part},{sha256}\n" for sha256, part in earlier)))


def check_compatible(previous: PreviousRun, architecture: str, contract: Contract) -> None:
    """Raise RunError if a run of this kind cannot use the weights of the previous one."""
    then = _list_requirements(previous.architecture, previous.contract)
    differing = [
        f"{key} was {then[key]} and is {value}"
        for key, value in _list_requirements(architecture, contract).items()
        if then[key] != value
    ]
    if differing:
        raise RunError(
            f"{previous.folder}: cannot start from this run: {'; '.join(differing)}. "
            "Use the same settings, or train without --start"
        )


def find_changes(previous: PreviousRun, labels: Mapping[str, str]) -> Changes:
    """Compare photographs; `labels` maps the SHA-256 of each to its present label."""
    kept = previous.labels.keys() & labels.keys()
    return Changes(
        since=str(previous.folder),
        added=len(labels.keys() - kept),
        gone=len(previous.labels.keys() - kept),
        relabelled=sum(previous.labels[sha256] != labels[sha256] for sha256 in kept),
    )


def _list_requirements(architecture: str, contract: Contract) -> dict[str, str]:
    """The properties that two runs share if the weights of one fit the other."""
    keys = ("height", "width", "resize_mode", "resize_rule", "normalisation")
    shape = {key: str(getattr(contract, key)) for key in keys}
    return {"architecture": architecture, **shape, "labels": ", ".join(contract.labels)}
