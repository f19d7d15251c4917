"""The command line of `vedette-train fit`."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from vedette_edge.click_types import FiniteFloat
from vedette_edge.console import Output, cli_session
from vedette_edge.model.contract import RESIZE_MODES
from vedette_train.cli.options import FOLDER, PATH, option
from vedette_train.config import (
    ARCHITECTURE_DEFAULTS,
    DEFAULT_ARCHITECTURE,
    DISCRIMINANT,
    GRADIENT,
    HEADS,
    OF_DESCENT,
    OPTIMIZERS,
    SCHEDULES,
    TrainConfig,
    fill_defaults,
)
from vedette_train.models.pretrained_weights import check_weights
from vedette_train.report import console
from vedette_train.run import folder, history, previous

if TYPE_CHECKING:
    from vedette_train.data.training_data import TrainingData
    from vedette_train.evaluation.unknown_images import UnknownImages

SHARE = FiniteFloat(0.01, 0.9)


def _recipe_option(name: str, kind: Any, key: str, help_text: str) -> Callable[[Any], Any]:
    """An option that the architecture's recipe fills in."""
    names = {"cnn": "cnn", "small": "small", "--head gradient": DEFAULT_ARCHITECTURE}
    shown = ", ".join(
        f"{name} {getattr(ARCHITECTURE_DEFAULTS[one], key)}" for name, one in names.items()
    )
    return click.option(name, key, type=kind, default=None, show_default=shown, help=help_text)


EPILOG = """
\b
Architectures:
  efficientnet_lite0       pretrained, offline: the best, whatever the number of photographs
  efficientnet_lite0_tiny  its first 12 blocks: half the time, a third of the bytes
  efficientnet_lite0_nano  its first 9 blocks, fine-tuned: under 0.5 MB
  cnn                      the recipe: two convolutions
  small                    separable convolutions, without pretrained weights
  mobilenet_v2, mobilenet_v3_small  pretrained; weights are downloaded once

\b
Examples:
  vedette-train fit photos --out runs/hens
  vedette-train fit photos --out runs/hens --size 192
  vedette-train fit few-photos --out runs/few --test 0
  vedette-train fit signs --out runs/signs --no-flip
  vedette-train fit photos --out runs/more --start runs/hens
  vedette-train fit photos --out runs/recipe --architecture cnn
  vedette-train fit photos --out runs/recipe --architecture cnn --resume
"""


@click.command(epilog=EPILOG)
@click.argument("data", type=FOLDER)
@click.option("--out", "run", type=PATH, required=True, metavar="RUN", help="Folder to make.")
@option(
    "--architecture", click.Choice(list(ARCHITECTURE_DEFAULTS)), DEFAULT_ARCHITECTURE, "Network."
)
@click.option(
    "--head",
    type=click.Choice(HEADS),
    show_default="discriminant",
    help="Of a pretrained network: in closed form, or by gradient descent.",
)
@click.option(
    "--start",
    type=FOLDER,
    metavar="RUN",
    help="Keep an earlier run's split and, where both descend, its weights.",
)
@click.option(
    "--size",
    type=click.IntRange(16, 1024),
    show_default="150; tiny and nano 128",
    help="Height and width of the input, px.",
)
@option(
    "--resize-mode",
    click.Choice(RESIZE_MODES),
    "squash",
    "How an image gets the shape of the input.",
)
@_recipe_option("--epochs", click.IntRange(1), "epochs", "Passes over the training part.")
@click.option(
    "--fine-tune",
    type=click.IntRange(0),
    show_default="nano 10, others 0",
    help="Epochs in which a pretrained network learns, too.",
)
@option("--patience", click.IntRange(0), 0, "Epochs to wait for a better one; 0: do them all.")
@_recipe_option("--batch-size", click.IntRange(1), "batch_size", "Pictures a step.")
@_recipe_option("--optimizer", click.Choice(OPTIMIZERS), "optimizer", "Of gradient descent.")
@_recipe_option(
    "--learning-rate", FiniteFloat(0, min_open=True), "learning_rate", "Of the optimizer."
)
@_recipe_option("--schedule", click.Choice(SCHEDULES), "schedule", "Of the learning rate.")
@_recipe_option("--augment/--no-augment", None, "augment", "Vary the training pictures.")
@option("--flip/--no-flip", bool, True, "Whether to mirror them; not for texts and arrows.")
@click.option("--balance", is_flag=True, help="Show each class equally often.")
@option("--precision", FiniteFloat(0.5, 0.999), 0.95, "Right answers, by thresholds for unknown.")
@click.option(
    "--unknown",
    type=FOLDER,
    multiple=True,
    help="Pictures of none of the classes, to measure by; a head in closed form is fitted to half.",
)
@click.option(
    "--validation",
    type=SHARE,
    show_default="0.2",
    help="Share of the training part that chooses the epoch.",
)
@option("--test", FiniteFloat(0, 0.9), 0.2, "Share of all photographs to test on; 0: none.")
@option("--seed", click.IntRange(0, 2**32 - 1), 0, "Decides the split, the weights and the order.")
@click.option(
    "--store", "stores", type=PATH, help="For prepared pictures. [default: RUN/../.store]"
)
@click.option("--tensorboard", is_flag=True, help="Write logs for TensorBoard, too.")
@click.option("--resume", is_flag=True, help="Continue an interrupted run.")
@click.option("--overwrite", is_flag=True, help="Replace the run that RUN holds.")
@click.option("--json", "as_json", is_flag=True, help="Print metrics.json.")
@click.pass_context
def fit(
    context: click.Context,
    /,
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
    contract.json, metrics.json, audit.json, split.csv, samples.png, confusion.png,
    and head.json or history.csv.
    """
    settings = fill_defaults(chosen)
    _check_flags(context, settings)
    _check_usage(settings, run, tensorboard=tensorboard)
    stores = stores or run.parent / ".store"
    with cli_session(run / folder.LOG) as terminal:
        check_weights(settings.architecture)
        folder.check_free(run, settings, resume=resume, overwrite=overwrite)
        metrics = _fit(settings, run, stores, terminal, resume=resume, tensorboard=tensorboard)
        if as_json:
            terminal.out.print(json.dumps(metrics, indent=2, ensure_ascii=False))
        else:
            console.print_metrics(metrics, run, terminal.out)


def _check_flags(context: click.Context, settings: TrainConfig) -> None:
    """Refuse a flag that has no meaning for the chosen head, by name."""
    heads = ARCHITECTURE_DEFAULTS[settings.architecture].heads
    if settings.head not in heads:
        raise click.UsageError(
            f"--head {settings.head} is not possible with {settings.architecture}; "
            f"it has {' or '.join(heads)}"
        )
    if settings.head != DISCRIMINANT:
        return
    idle = ("epochs",) if settings.fine_tune else (*OF_DESCENT, "tensorboard", "resume")
    typed = [name for name in idle if _is_typed(context, name)]
    if typed:
        flags = ", ".join(_flag(context, name) for name in typed)
        reason = "no meaning for a head in closed form, which takes no epochs"
        ways = ["--fine-tune N", *["--head gradient"] * (GRADIENT in heads)]
        hint = f", or add {' or '.join(ways)}"
        if settings.fine_tune:
            reason, hint = "no meaning here, as --fine-tune says how many epochs there are", ""
        raise click.UsageError(
            f"{flags}: {reason}. Omit {'it' if len(typed) == 1 else 'them'}{hint}"
        )


def _is_typed(context: click.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is click.core.ParameterSource.COMMANDLINE


def _flag(context: click.Context, name: str) -> str:
    """The flag of a parameter, as it was typed."""
    option = next(one for one in context.command.params if one.name == name)
    off = context.params[name] is False and option.secondary_opts
    return off[0] if off else option.opts[0]


def _check_usage(settings: TrainConfig, run: Path, *, tensorboard: bool) -> None:
    for photos in (settings.data, *settings.unknown):
        if photos.resolve() in (run.resolve(), *run.resolve().parents):
            raise click.UsageError(f"{run} lies within {photos}; choose a folder outside of it")
    if settings.start and settings.start.resolve() == run.resolve():
        raise click.UsageError(f"--start {settings.start} is --out, too; choose another folder")
    if settings.fine_tune and not ARCHITECTURE_DEFAULTS[settings.architecture].pretrained:
        raise click.UsageError(
            f"--fine-tune is for pretrained networks, and {settings.architecture} is none: "
            "it learns as a whole from the first epoch"
        )
    if not settings.test and settings.descends:
        closed = settings.head == DISCRIMINANT
        way = "give --fine-tune 0" if closed else "leave --architecture and --head as by default"
        raise click.UsageError(f"--test 0 is for a head in closed form alone: {way}")
    if tensorboard and not find_spec("tensorboard"):
        raise click.UsageError("--tensorboard needs: pip install 'vedette-train[tensorboard]'")


def _fit(
    settings: TrainConfig,
    run: Path,
    stores: Path,
    terminal: Output,
    *,
    resume: bool,
    tensorboard: bool,
) -> dict[str, Any]:
    began = time.monotonic()
    material, before, strangers = _gathered(settings, stores, terminal)
    if resume:
        folder.check_same_photographs(run, material.manifest)
    console.print_material(material, settings, terminal.err)
    terminal.err.print("starting TensorFlow ...")
    from vedette_train import pipeline as fitting

    extras = fitting.TrainInputs(before, strangers, tensorboard=tensorboard)
    with _kept_on_interrupt(settings, run, terminal.err):
        return fitting.train(material, settings, run, terminal, extras, resume=resume, began=began)


def _gathered(
    settings: TrainConfig, stores: Path, terminal: Output
) -> tuple["TrainingData", "previous.PreviousRun | None", "UnknownImages | None"]:
    """The photographs, the run to begin from, and pictures of none of the classes."""
    from vedette_train.data.training_data import check_few, load_training_data
    from vedette_train.evaluation.unknown_images import load_unknown_images

    before = previous.load_previous_run(settings.start) if settings.start else None
    material = load_training_data(settings, stores, terminal, before.parts if before else {})
    if not settings.test:
        check_few(material)
    if before and before.weights and settings.descends:
        previous.check_agrees(before, settings.architecture, material.contract)
    if before:
        terminal.err.print(str(previous.diff_runs(before, material.label_by_hash)))
    strangers = None
    if settings.unknown:
        strangers = load_unknown_images(material, settings, stores, terminal)
    return material, before, strangers


@contextmanager
def _kept_on_interrupt(chosen: TrainConfig, run: Path, terminal: Console) -> Iterator[None]:
    """On Ctrl-C, say what there is and how to continue."""
    try:
        yield
    except KeyboardInterrupt:
        epochs = history.read_history(run / folder.HISTORY) if chosen.descends else []
        if epochs:
            kept = history.find_best(epochs)
            terminal.print(
                f"{len(epochs)} of {chosen.epochs + chosen.fine_tune} epochs are done; the best, "
                f"epoch {kept.epoch} (validation {kept.val_accuracy:.1%}), is in "
                f"{run / folder.WEIGHTS}"
            )
            terminal.print(
                "To continue, give the same command again with --resume (make: FLAGS=--resume)"
            )
        elif chosen.descends:
            terminal.print("No epoch was finished; give the same command again.")
        else:
            terminal.print("Pictures and features so far are kept; give the same command again.")
        raise
