"""The command line of `vedette-train fit`."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from vedette_edge.command_line import Terminal, session
from vedette_edge.contract import FITS
from vedette_edge.options import Number
from vedette_train import earlier, history, run_folder
from vedette_train.options import FOLDER, PATH, option
from vedette_train.settings import OPTIMIZERS, RECIPES, SCHEDULES, Settings

if TYPE_CHECKING:
    from vedette_train.material import Material
    from vedette_train.unknown import Strangers

SHARE = Number(0.01, 0.9)
MOST_NAMED = 10  # files left out that are named on the terminal; metrics.json names all


def _recipe_option(name: str, kind: Any, key: str, help_text: str) -> Callable[[Any], Any]:
    """An option that the architecture's recipe fills in."""
    shown = f"cnn {getattr(RECIPES['cnn'], key)}, small {getattr(RECIPES['small'], key)}"
    shown += f", others {getattr(RECIPES['efficientnet_lite0'], key)}"
    return click.option(name, key, type=kind, default=None, show_default=shown, help=help_text)


EPILOG = """
\b
Architectures:
  cnn                 the recipe: two convolutions
  small               separable convolutions, under 0.5 MB as int8
  efficientnet_lite0  pretrained, offline: the best with few photographs
  mobilenet_v2, mobilenet_v3_small  pretrained; weights are downloaded once

\b
Examples:
  vedette-train fit photos --out runs/hens --architecture efficientnet_lite0
  vedette-train fit photos --out runs/recipe
  vedette-train fit signs --out runs/signs --architecture small --no-flip
  vedette-train fit photos --out runs/more --architecture efficientnet_lite0 --start runs/hens
  vedette-train fit photos --out runs/hens --resume
"""


@click.command(epilog=EPILOG)
@click.argument("data", type=FOLDER)
@click.option("--out", "run", type=PATH, required=True, metavar="RUN", help="Folder to make.")
@option("--architecture", click.Choice(list(RECIPES)), "cnn", "Network; cnn is the recipe's.")
@click.option("--start", type=FOLDER, metavar="RUN", help="Begin from an earlier run's weights.")
@_recipe_option("--size", click.IntRange(16, 1024), "size", "Height and width of the input, px.")
@option("--fit", click.Choice(FITS), "squash", "How a picture's shape becomes the input's.")
@_recipe_option("--epochs", click.IntRange(1), "epochs", "Passes over the training part.")
@option("--fine-tune", click.IntRange(0), 0, "Epochs in which a pretrained network learns, too.")
@option("--patience", click.IntRange(0), 0, "Epochs to wait for a better one; 0: do them all.")
@_recipe_option("--batch-size", click.IntRange(1), "batch_size", "Pictures a step.")
@_recipe_option("--optimizer", click.Choice(OPTIMIZERS), "optimizer", "Rule of descent.")
@_recipe_option("--learning-rate", Number(0, min_open=True), "learning_rate", "Its step.")
@_recipe_option("--schedule", click.Choice(SCHEDULES), "schedule", "How the step changes.")
@_recipe_option("--augment/--no-augment", None, "augment", "Vary the training pictures.")
@option("--flip/--no-flip", bool, True, "Whether to mirror them; not for texts and arrows.")
@click.option("--balance", is_flag=True, help="Show each class equally often.")
@option("--precision", Number(0.5, 0.999), 0.95, "To reach by saying unknown.")
@click.option("--unknown", type=FOLDER, help="Pictures of none of the classes, to measure by.")
@option("--validation", SHARE, 0.2, "Share of the training part that chooses the epoch.")
@option("--test", SHARE, 0.2, "Share of all photographs to test on, where DATA has no test/.")
@option("--seed", click.IntRange(0, 2**32 - 1), 0, "Decides the split, the weights and the order.")
@click.option(
    "--store", "stores", type=PATH, help="For prepared pictures. [default: RUN/../.store]"
)
@click.option("--tensorboard", is_flag=True, help="Write logs for TensorBoard, too.")
@click.option("--resume", is_flag=True, help="Continue an interrupted run.")
@click.option("--overwrite", is_flag=True, help="Replace the run that RUN holds.")
@click.option("--json", "as_json", is_flag=True, help="Print metrics.json.")
def fit(
    run: Path,
    stores: Path | None,
    tensorboard: bool,
    resume: bool,
    overwrite: bool,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Train on DATA/<class>/*, or on DATA/train/<class>/* and DATA/test/<class>/*.

    \b
    RUN/ will hold report.html (look at it), Trained_Weight.h5 (the Keras model),
    contract.json, metrics.json, audit.json, history.csv, split.csv and pictures.
    """
    wanted = _settings(chosen)
    _check_usage(wanted, run, tensorboard=tensorboard)
    stores = stores or run.parent / ".store"
    with session(run / run_folder.LOG) as terminal:
        run_folder.check_free(run, wanted, resume=resume, overwrite=overwrite)
        metrics = _fit(wanted, run, stores, terminal, resume=resume, tensorboard=tensorboard)
        if as_json:
            terminal.out.print(json.dumps(metrics, indent=2, ensure_ascii=False))
        else:
            _print_metrics(metrics, run, terminal.out)


def _settings(chosen: dict[str, Any]) -> Settings:
    """What was chosen; the rest as the architecture's recipe has it."""
    recipe: dict[str, Any] = asdict(RECIPES[chosen["architecture"]])
    filled: dict[str, Any] = {
        name: recipe.get(name) if value is None else value for name, value in chosen.items()
    }
    return Settings(**filled)


def _check_usage(wanted: Settings, run: Path, *, tensorboard: bool) -> None:
    for folder in filter(None, (wanted.data, wanted.unknown)):
        if folder.resolve() in (run.resolve(), *run.resolve().parents):
            raise click.UsageError(f"{run} lies within {folder}; choose a folder outside of it")
    if wanted.start and wanted.start.resolve() == run.resolve():
        raise click.UsageError(f"--start {wanted.start} is --out, too; choose another folder")
    if wanted.fine_tune and not RECIPES[wanted.architecture].pretrained:
        raise click.UsageError(
            f"--fine-tune is for pretrained networks, and {wanted.architecture} is none: "
            "it learns as a whole from the first epoch"
        )
    if tensorboard and not find_spec("tensorboard"):
        raise click.UsageError("--tensorboard needs: pip install 'vedette-train[tensorboard]'")


def _fit(
    wanted: Settings,
    run: Path,
    stores: Path,
    terminal: Terminal,
    *,
    resume: bool,
    tensorboard: bool,
) -> dict[str, Any]:
    began = time.monotonic()
    material, before, strangers = _gathered(wanted, stores, terminal)
    if resume:
        run_folder.check_same_photographs(run, material.manifest)
    _print_material(material, wanted, terminal.err)
    terminal.err.print("starting TensorFlow ...")
    from vedette_train import fit as fitting

    extras = fitting.Extras(before, strangers, tensorboard=tensorboard)
    with _kept_on_interrupt(wanted, run, terminal.err):
        return fitting.fit(material, wanted, run, terminal, extras, resume=resume, began=began)


def _gathered(
    wanted: Settings, stores: Path, terminal: Terminal
) -> tuple["Material", "earlier.Earlier | None", "Strangers | None"]:
    """The photographs, the run to begin from, and pictures of none of the classes."""
    from vedette_train.material import gather
    from vedette_train.unknown import gather_strangers

    before = earlier.read_earlier(wanted.start) if wanted.start else None
    material = gather(wanted, stores, terminal, before.parts if before else {})
    if before:
        earlier.check_agrees(before, wanted.architecture, material.contract)
        terminal.err.print(str(earlier.changes(before, material.named)))
    strangers = None
    if wanted.unknown:
        strangers = gather_strangers(wanted.unknown, material.contract, stores, terminal)
    return material, before, strangers


def _print_material(material: "Material", chosen: Settings, terminal: Console) -> None:
    from vedette_train.audit_table import table

    pictures = material.contract.provenance.pictures
    parts = ", ".join(f"{count} {part}" for part, count in pictures.items())
    terminal.print(f"{chosen.data}: {len(material.contract.labels)} classes, pictures: {parts}")
    if material.audit.findings:
        terminal.print(table(material.audit))
    for file, reason in list(material.left_out.items())[:MOST_NAMED]:
        terminal.print(f"left out {file}: {reason}", style="yellow")
    if (more := len(material.left_out) - MOST_NAMED) > 0:
        terminal.print(f"... and {more} more; metrics.json will name them all", style="yellow")


def _print_metrics(metrics: dict[str, Any], run: Path, terminal: Console) -> None:
    low, high = metrics["test_interval"]
    terminal.print(
        f"{metrics['test_accuracy']:.1%} of {metrics['test_pictures']} test pictures right "
        f"({low:.1%} to {high:.1%} in 95 of 100 such tests; epoch {metrics['best_epoch']} of "
        f"{metrics['epochs']} kept, validation {metrics['validation_accuracy']:.1%})"
    )
    terminal.print(_calibration(metrics))
    terminal.print(
        f"{metrics['seconds']['all']:.0f} s, peak memory {metrics['peak_memory_mb']:.0f} MB\n"
        f"{run / run_folder.REPORT}: look at it in a browser"
    )


def _calibration(metrics: dict[str, Any]) -> str:
    found, unknown = metrics["calibration"], metrics["unknown"]
    said = (
        f"scores: off by {found['ece_after']:.1%} on average, "
        f"{found['ece_before']:.1%} before calibration"
    )
    if unknown["below"]:
        said += f"\nunknown below {unknown['below']:.2f}: {unknown['test_answered']:.0%} answered"
        if unknown["test_answered"]:
            said += f", {unknown['test_precision']:.1%} of them right"
    elif not unknown["precision_reached"]:
        said += f"\nno threshold makes {unknown['precision_wanted']:.0%} of the answers right"
    if unknown["pictures"]:
        said += (
            f"\nof {unknown['pictures']} pictures of none of the classes "
            f"{unknown['false_accepts']:.1%} are given a label"
        )
    return said


@contextmanager
def _kept_on_interrupt(chosen: Settings, run: Path, terminal: Console) -> Iterator[None]:
    """On Ctrl-C, say what there is and how to continue."""
    try:
        yield
    except KeyboardInterrupt:
        epochs = history.read(run / run_folder.HISTORY)
        if epochs:
            kept = history.best(epochs)
            terminal.print(
                f"{len(epochs)} of {chosen.epochs + chosen.fine_tune} epochs are done; the best, "
                f"epoch {kept.epoch} (validation {kept.val_accuracy:.1%}), is in "
                f"{run / run_folder.WEIGHTS}"
            )
            terminal.print(
                "To continue, give the same command again with --resume (make: FLAGS=--resume)"
            )
        else:
            terminal.print("No epoch was finished; give the same command again.")
        raise
