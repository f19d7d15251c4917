"""Command `vedette-train fit`."""

import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from functools import wraps
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from vedette_edge.click_types import FiniteFloat, usage_errors
from vedette_edge.console import cli_session
from vedette_edge.images.large_blocks import keep_large_blocks
from vedette_train.cli.fit_summary import print_data, print_results
from vedette_train.cli.fit_usage import create_config
from vedette_train.cli.options import DATA_FOLDER, FOLDER, PATH, option, resize_mode_option
from vedette_train.config import (
    ARCHITECTURE_DEFAULTS,
    DEFAULT_ARCHITECTURE,
    HEADS,
    LIMITS,
    OPTIMIZERS,
    SCHEDULES,
    VALIDATION_LIMITS,
    TrainConfig,
)
from vedette_train.data.remote_folder import DataFolder
from vedette_train.errors import RESUME
from vedette_train.pipeline.train import (
    check_folders,
    open_workplace,
    prepare_run,
    run_training,
)
from vedette_train.run import folder
from vedette_train.run.history import find_best, read_history

SHARE, ARCHITECTURES = FiniteFloat(*VALIDATION_LIMITS), click.Choice(list(ARCHITECTURE_DEFAULTS))


def _limit(name: str) -> click.IntRange:
    """The possible values of a setting."""
    return click.IntRange(*LIMITS[name])


def _default_option(name: str, kind: Any, help_text: str) -> Callable[[Any], Any]:
    """An option whose default depends on the architecture."""
    key = name.partition("/")[0].strip("-").replace("-", "_")
    names = {"cnn": "cnn", "small": "small", "--head gradient": DEFAULT_ARCHITECTURE}
    values = {name: getattr(ARCHITECTURE_DEFAULTS[one], key) for name, one in names.items()}
    shown = ", ".join(f"{name} {value}" for name, value in values.items())
    return option(name, kind, None, help_text, shown)


def _build_config(command: Callable[..., None]) -> Callable[..., None]:
    """Pass a command the flags of TrainConfig as one `config`."""

    @wraps(command)
    def call(context: click.Context, **flags: object) -> None:
        names = flags.keys() & {field.name for field in fields(TrainConfig)}
        command(create_config(context, {name: flags.pop(name) for name in names}), **flags)

    return call


EPILOG = """
\b
Architectures:
  efficientnet_lite0       pretrained, offline: the best for any number of photographs
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
  vedette-train fit /srv/photos --out runs/hens --cluster tcp://desk:8786
  vedette-train fit s3://season/photos/ --out runs/hens
"""


@click.command(epilog=EPILOG)
@click.argument("data", type=DATA_FOLDER)
@click.option("--out", type=PATH, required=True, metavar="RUN", help="Run folder to create.")
@option("--architecture", ARCHITECTURES, DEFAULT_ARCHITECTURE, "Network.")
@option("--head", click.Choice(HEADS), None, "Solved directly, or by gradient descent.", HEADS[0])
@click.option(
    "--start",
    type=FOLDER,
    metavar="RUN",
    help="Keep the split of an earlier run and, if both use gradient descent, its weights.",
)
@option("--size", _limit("size"), None, "Side of the input, px.", "150; tiny, nano 128")
@resize_mode_option
@_default_option("--epochs", click.IntRange(1), "Passes over the training part.")
@option("--fine-tune", _limit("fine_tune"), None, "Epochs that train the backbone.", "0; nano 10")
@option("--patience", _limit("patience"), 0, "Epochs without improvement to stop after; 0: never.")
@_default_option("--batch-size", _limit("batch_size"), "Pictures in a step.")
@_default_option("--optimizer", click.Choice(OPTIMIZERS), "Optimizer of gradient descent.")
@_default_option("--learning-rate", FiniteFloat(0, min_open=True), "Rate of the optimizer.")
@_default_option("--schedule", click.Choice(SCHEDULES), "Schedule of the learning rate.")
@_default_option("--augment/--no-augment", None, "Vary the training pictures.")
@option("--flip/--no-flip", bool, True, "Train on mirrored pictures, too; not for text and arrows.")
@click.option("--balance", is_flag=True, help="Show each class equally often.")
@option("--precision", FiniteFloat(*LIMITS["precision"]), 0.95, "Share of labels to get right.")
@click.option(
    "--unknown",
    type=FOLDER,
    multiple=True,
    help="Pictures of no class, for testing; a head in closed form trains on half of them.",
)
@option(
    "--validation",
    SHARE,
    None,
    "Share of the training part to select epochs by, if there is no folder of them.",
    "0.2",
)
@option(
    "--test",
    FiniteFloat(*LIMITS["test"]),
    0.2,
    "Share of all photographs for the test, if there is no folder of them; 0: none.",
)
@option("--seed", _limit("seed"), 0, "Seed of the split, the weights and the order.")
@click.option("--store", type=PATH, help="Folder for prepared pictures. [default: RUN/../.store]")
@click.option(
    "--cluster",
    metavar="ADDRESS",
    help="Dask scheduler, such as tcp://desk:8786, or local: a cluster on this machine.",
)
@click.option("--tensorboard", is_flag=True, help="Also write logs for TensorBoard.")
@click.option("--resume", is_flag=True, help="Continue an interrupted run.")
@click.option("--overwrite", is_flag=True, help="Replace the run in RUN.")
@click.option("--json", "as_json", is_flag=True, help="Print metrics.json.")
@click.pass_context
@_build_config
def fit(
    config: TrainConfig, data: DataFolder, out: Path, resume: bool, overwrite: bool, as_json: bool
) -> None:
    """Train on DATA/<class>/*, or on DATA/train/<class>/* and DATA/test/<class>/*.

    There may be a DATA/validation/, too, which joins training where the head needs none. DATA is a
    folder, or the URL of one: in a bucket, s3://, or on a web server.

    \b
    RUN/ then holds report.html (open it), Trained_Weight.h5 (the Keras model),
    contract.json, metrics.json, audit.json, split.csv, samples.png, confusion.png,
    and head.json or history.csv.
    """
    with usage_errors():
        check_folders(data, config, out)
    with (
        folder.remove_unused(out),
        cli_session(out / folder.LOG) as output,
        folder.lock_folder(out),
    ):
        keep_large_blocks()
        folder.check_free(out, config, resume=resume, overwrite=overwrite)
        with open_workplace(config, out, output) as place:
            inputs = prepare_run(data, config, out, place, resume=resume)
            print_data(inputs.data, output.err)
            command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
            converted = folder.find_converted(out)
            with _explain_interrupt(config, out, output.err):
                run = run_training(replace(inputs, command=command))
        print_results(run, converted, output, as_json=as_json)


@contextmanager
def _explain_interrupt(config: TrainConfig, run: Path, terminal: Console) -> Iterator[None]:
    """On Ctrl-C, print what is kept and how to continue."""
    try:
        yield
    except KeyboardInterrupt:
        interrupted = config.descends and (run / folder.CHECKPOINT).exists()
        history = read_history(run / folder.HISTORY) if interrupted else []
        if history:
            best = find_best(history)
            terminal.print(
                f"{len(history)} of {config.epochs + config.fine_tune} epochs are done; the best, "
                f"epoch {best.epoch} (validation {best.val_accuracy:.1%}), is in "
                f"{run / folder.WEIGHTS}\n"
                f"To continue, repeat the command with {RESUME}"
            )
        elif config.descends:
            terminal.print("No epoch is finished. To start again, repeat the command.")
        else:
            terminal.print("Finished pictures and features are kept. Repeat the command.")
        raise
