"""The run folder: the names of its files, and checks before a run is written or resumed."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from vedette_edge.files import write_text
from vedette_train.config import ARCHITECTURE_DEFAULTS, TrainConfig
from vedette_train.errors import OVERWRITE, RESUME, RunError
from vedette_train.run.checkpoint import load_checkpoint

WEIGHTS = "Trained_Weight.h5"  # the whole Keras model, of the best epoch
CHECKPOINT = "checkpoint.npz"  # network and optimizer after the last epoch, to resume from
REPORT = "report.html"
AUDIT = "audit.json"
HISTORY = "history.csv"
CONTRACT = "contract.json"
HEAD = "head.json"  # of a head in closed form: everything needed to fit it again
METRICS = "metrics.json"
MANIFEST = "split.csv"
EARLIER = "earlier.csv"  # other photographs, of the runs that this one started from
SETTINGS = "settings.json"
SAMPLES, CURVES, CONFUSION = "samples.png", "curves.png", "confusion.png"
TENSORBOARD = "tensorboard"  # a folder
LOG = "train.log"
LOCK = "train.lock"  # during training
FILES = (
    WEIGHTS, CHECKPOINT, REPORT, AUDIT, HISTORY, CONTRACT, METRICS, MANIFEST,
    SAMPLES, CURVES, CONFUSION, HEAD, EARLIER, SETTINGS,  # last: a folder with settings is a run
)  # fmt: skip
# vedette-convert writes these by default. They must not outlive the weights that they come from:
# a folder would hold the model of one run and the contract of another.
CONVERTED = ("model.tflite", "model.judgement.csv", "model.refused.csv", "model.report.html")


def check_own(run: Path) -> None:
    """Raise RunError if a new run would delete a file that no run has written."""
    names = (*FILES, *CONVERTED, TENSORBOARD)
    file = next((name for name in names if os.path.lexists(run / name)), None)
    if file and not _is_run(run):
        raise RunError(
            f"{run}: holds {file} and is not a run, expected a new folder: training would delete "
            "that file. Choose another --out (--overwrite only replaces a run)"
        )


def check_free(run: Path, config: TrainConfig, *, resume: bool, overwrite: bool) -> None:
    """Raise RunError if a new run would replace another, or a run cannot be resumed."""
    if resume:
        if not (run / CHECKPOINT).exists():
            if (run / WEIGHTS).exists():
                raise RunError(
                    f"{run}: is finished, so there is nothing to resume. To train it further, use "
                    f"--start {run} instead, with another --out"
                )
            raise RunError(f"{run}: holds no interrupted run to resume. Omit --resume")
        _check_same_settings(run, config)
    elif any((run / name).exists() for name in (WEIGHTS, CHECKPOINT)) and not overwrite:
        resuming = f"continue it with {RESUME}, " if (run / CHECKPOINT).exists() else ""
        raise RunError(
            f"{run}: already holds a run; {resuming}replace it with {OVERWRITE}, "
            "or choose another --out (make: RUN=)"
        )


@contextmanager
def remove_unused(run: Path) -> Iterator[None]:
    """Remove the folders of a run at the end if they are new, and nothing is written to them."""
    new = [folder for folder in (run, *run.parents) if not folder.exists()]
    try:
        yield
    finally:
        with suppress(OSError):  # not empty, or not there
            if new and [path.stat().st_size for path in run.iterdir()] in ([], [0]):
                (run / LOG).unlink(missing_ok=True)
            for folder in new:
                folder.rmdir()


@contextmanager
def lock_folder(run: Path) -> Iterator[None]:
    """Create a run folder and keep other processes out, until this one ends or is killed.

    Raises RunError, naming the process, if another one has locked it.
    """
    path = run / LOCK
    run.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            free = os.fstat(file.fileno()).st_nlink  # 0 if the other one removed it meanwhile
        except BlockingIOError:
            free = 0
        if not free:
            file.seek(0)
            raise RunError(
                f"{run}: process {file.read()} is training in this folder. Wait until it ends, "
                "or choose another --out (make: RUN=)"
            )
        file.truncate(0)
        file.write(f"{os.getpid()}")
        file.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def find_converted(run: Path) -> list[str]:
    """The names of the files that vedette-convert made from the run in a folder."""
    return [name for name in CONVERTED if (run / name).exists()]


def clear_folder(run: Path) -> None:
    """Remove the files of an earlier run, and the model that vedette-convert made from it."""
    shutil.rmtree(run / TENSORBOARD, ignore_errors=True)
    remove_converted(run)
    for name in FILES:
        (run / name).unlink(missing_ok=True)


def remove_converted(run: Path) -> None:
    """Remove the model that vedette-convert made from the weights of a run, and its report."""
    for name in CONVERTED:
        (run / name).unlink(missing_ok=True)


def list_settings(data: str, config: TrainConfig) -> dict[str, object]:
    """The folder of the photographs, and the settings with an effect on the result."""
    return {"data": data, **config.to_dict()}


def write_settings(run: Path, data: str, config: TrainConfig) -> None:
    """Write RUN/settings.json."""
    write_text(run / SETTINGS, json.dumps(list_settings(data, config), indent=2) + "\n")


def load_settings(run: Path) -> dict[str, Any]:
    """Read RUN/settings.json. Raises OSError, or ValueError if it is damaged."""
    settings = json.loads((run / SETTINGS).read_bytes())
    if not isinstance(settings, dict):
        raise ValueError(f"{SETTINGS}: expected an object")
    if "fit" in settings:  # the former name
        settings["resize_mode"] = settings.pop("fit")
    return settings


def check_same_photographs(run: Path, manifest: str) -> None:
    """Raise RunError if the photographs have changed since the run began."""
    if (run / MANIFEST).read_bytes() != manifest.encode(errors="surrogateescape"):
        raise RunError(
            f"{run}: cannot be resumed, because the photographs have changed since it began. "
            f"Start again with {OVERWRITE}"
        )


def _is_run(run: Path) -> bool:
    """True for a folder with the settings of a run, or with its other files if these are bad."""
    try:
        return load_settings(run).get("architecture") in tuple(ARCHITECTURE_DEFAULTS)
    except (OSError, ValueError):
        return all((run / name).is_file() for name in (MANIFEST, CONTRACT))


def _check_same_settings(run: Path, config: TrainConfig) -> None:
    try:
        settings = load_settings(run)
    except (OSError, ValueError) as error:
        raise RunError(f"{run / SETTINGS}: {error}. Start again with {OVERWRITE}") from error
    differing = [
        f"{name} was {settings.get(name)!r} and is {value!r}"
        for name, value in config.to_dict().items()
        if settings.get(name) != value and not (name == "epochs" and config.schedule == "constant")
    ]
    if differing:
        raise RunError(
            f"{run}: cannot be resumed with other settings: {'; '.join(differing)}. "
            f"Use the same settings, or start again with {OVERWRITE}"
        )
    if settings.get("epochs") != config.epochs:
        _check_epochs(run, config.epochs, settings.get("epochs"))


def _check_epochs(run: Path, epochs: int, before: object) -> None:
    """Raise RunError if a run would get fewer epochs than are done, or has begun to fine-tune."""
    done = load_checkpoint(run / CHECKPOINT)
    if done.stage:
        raise RunError(f"{run}: fine-tuning has begun after --epochs {before}; use the same number")
    if epochs < done.epoch:
        raise RunError(
            f"{run}: {done.epoch} epochs are done already, more than --epochs {epochs}. Use "
            f"--epochs {done.epoch} to end here, or start again with {OVERWRITE}"
        )
