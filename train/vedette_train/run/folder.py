"""The run folder: what is in it, and whether a run may be made there."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

from vedette_edge.files import write_text
from vedette_train.config import TrainConfig
from vedette_train.errors import RunError

WEIGHTS = "Trained_Weight.h5"  # the whole Keras model, of the best epoch
CHECKPOINT = "checkpoint.npz"  # network and optimizer after the last epoch, to resume from
REPORT = "report.html"
AUDIT = "audit.json"
HISTORY = "history.csv"
CONTRACT = "contract.json"
HEAD = "head.json"  # of a head in closed form: what fitting it again takes
METRICS = "metrics.json"
MANIFEST = "split.csv"
SETTINGS = "settings.json"
SAMPLES, CURVES, CONFUSION = "samples.png", "curves.png", "confusion.png"
TENSORBOARD = "tensorboard"  # a folder
LOG = "train.log"
MADE = (
    WEIGHTS, CHECKPOINT, REPORT, AUDIT, HISTORY, CONTRACT, METRICS, MANIFEST, SETTINGS,
    SAMPLES, CURVES, CONFUSION, HEAD,
)  # fmt: skip


def check_free(run: Path, settings: TrainConfig, *, resume: bool, overwrite: bool) -> None:
    """Raise RunError where a run would be lost by making one there, or cannot be resumed."""
    if resume:
        if not (run / CHECKPOINT).exists():
            raise RunError(f"{run}: holds no interrupted run to resume. Leave out --resume")
        _check_same_settings(run, settings)
    elif any((run / name).exists() for name in (WEIGHTS, CHECKPOINT)) and not overwrite:
        how = "continue it with --resume, " if (run / CHECKPOINT).exists() else ""
        raise RunError(
            f"{run}: holds a run already; {how}replace it with --overwrite, "
            "or choose another folder"
        )


def clear(run: Path) -> None:
    """Remove what an earlier run left there, and the model that was made of it."""
    for name in (
        *MADE,
        "model.tflite",
        "model.judgement.csv",
        "model.refused.csv",
        "model.report.html",
    ):
        (run / name).unlink(missing_ok=True)
    shutil.rmtree(run / TENSORBOARD, ignore_errors=True)


def write_settings(run: Path, settings: TrainConfig) -> None:
    """Write RUN/settings.json."""
    write_text(run / SETTINGS, json.dumps(plain(settings), indent=2) + "\n")


def check_same_photographs(run: Path, manifest: str) -> None:
    """Raise RunError if the photographs are not those that the run began with."""
    with (run / MANIFEST).open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        if file.read() != manifest:
            raise RunError(
                f"{run}: cannot be resumed, the photographs have changed since it began. "
                "Start afresh with --overwrite"
            )


def _check_same_settings(run: Path, settings: TrainConfig) -> None:
    try:
        found = json.loads((run / SETTINGS).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{run / SETTINGS}: {error}. Start afresh with --overwrite") from error
    differing = [
        f"{name} was {found.get(name)!r} and is {value!r}"
        for name, value in plain(settings).items()
        if found.get(name) != value and not (name == "epochs" and settings.schedule == "constant")
    ]
    if differing:
        raise RunError(
            f"{run}: cannot be resumed with other settings: {'; '.join(differing)}. "
            "Give the same, or start afresh with --overwrite"
        )


def plain(settings: TrainConfig) -> dict[str, object]:
    """The content of settings.json."""
    return {name: _plain(value) for name, value in asdict(settings).items()}


def _plain(value: object) -> object:
    """A value as JSON gives it back."""
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return str(value.resolve()) if isinstance(value, Path) else value
