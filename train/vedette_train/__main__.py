"""Training's command line: `vedette-train fit`, `vedette-train cards`."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from vedette_edge.command_line import session
from vedette_edge.contract import FITS
from vedette_train import history, run_folder
from vedette_train.settings import Settings

if TYPE_CHECKING:
    from vedette_train.material import Material

PATH = click.Path(path_type=Path)
SHARE = click.FloatRange(0.01, 0.9)
MOST_NAMED = 10  # files left out that are named on the terminal; metrics.json names all


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="vedette-train")
def main() -> None:
    """Turn photographs in class folders into a trained classifier.

    Results go to standard output, everything else to standard error. Exit codes: 0 all well,
    1 nothing could be done, 2 wrong command line, 130 interrupted.
    """
    # Matplotlib looks for a screen's toolkit unless it is told that there is none.
    os.environ.setdefault("MPLBACKEND", "agg")


def _option(name: str, kind: Any, default: Any, help_text: str) -> Callable[[Any], Any]:
    return click.option(name, type=kind, default=default, show_default=True, help=help_text)


@main.command()
@click.argument("data", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--out", "run", type=PATH, required=True, metavar="RUN", help="Folder to make.")
@_option("--architecture", click.Choice(["cnn"]), "cnn", "Network; cnn is the recipe's.")
@_option("--size", click.IntRange(16, 1024), 150, "Height and width of the input, px.")
@_option("--fit", click.Choice(FITS), "squash", "How a picture's shape becomes the input's.")
@_option("--epochs", click.IntRange(1), 15, "Passes over the training part.")
@_option("--batch-size", click.IntRange(1), 128, "Pictures a step.")
@_option("--optimizer", click.Choice(["adam", "rmsprop", "sgd"]), "adam", "Rule of descent.")
@_option("--learning-rate", click.FloatRange(0, min_open=True), 0.001, "Its step size.")
@_option("--validation", SHARE, 0.2, "Share of the training part that chooses the epoch.")
@_option("--test", SHARE, 0.2, "Share of all photographs to test on, where DATA has no test/.")
@_option("--seed", click.IntRange(0, 2**32 - 1), 0, "Decides the split, the weights and the order.")
@click.option(
    "--store", "stores", type=PATH, help="For prepared pictures. [default: RUN/../.store]"
)
@click.option("--resume", is_flag=True, help="Continue an interrupted run.")
@click.option("--overwrite", is_flag=True, help="Replace the run that RUN holds.")
@click.option("--json", "as_json", is_flag=True, help="Print metrics.json.")
def fit(
    run: Path, stores: Path | None, resume: bool, overwrite: bool, as_json: bool, **chosen: Any
) -> None:
    """Train on DATA/<class>/*, or on DATA/train/<class>/* and DATA/test/<class>/*.

    \b
    RUN/ will hold Trained_Weight.h5 (the Keras model), contract.json, metrics.json,
    history.csv, split.csv, samples.png, curves.png and confusion.png.

    \b
    Examples:
      vedette-train fit photos --out runs/hens
      vedette-train fit photos --out runs/wide --fit letterbox --epochs 30
      vedette-train fit photos --out runs/hens --resume
    """
    wanted = Settings(**chosen)
    if wanted.data.resolve() in (run.resolve(), *run.resolve().parents):
        raise click.UsageError(f"{run} lies within {wanted.data}; choose a folder outside of it")
    from vedette_train.material import gather

    with session(run / run_folder.LOG) as terminal:
        run_folder.check_free(run, wanted, resume=resume, overwrite=overwrite)
        material = gather(wanted, stores or run.parent / ".store", terminal)
        if resume:
            run_folder.check_same_photographs(run, material.manifest)
        else:
            run_folder.clear(run)
        _print_material(material, wanted, terminal.err)
        terminal.err.print("starting TensorFlow ...")
        from vedette_train import fit as fitting

        with _kept_on_interrupt(wanted, run, terminal.err):
            metrics = fitting.fit(material, wanted, run, terminal.err)
        if as_json:
            terminal.out.print(json.dumps(metrics, indent=2, ensure_ascii=False))
        else:
            _print_metrics(metrics, run, terminal.out)


@main.command()
@click.argument("out", type=PATH)
@_option("--train-per-class", click.IntRange(1), 48, "Pictures of each card to train on.")
@_option("--test-per-class", click.IntRange(1), 10, "Pictures of each card to test on.")
@_option("--seed", click.IntRange(0), 0, "Decides every picture.")
def cards(out: Path, **wanted: int) -> None:
    """Draw the demonstration set: 50 classes of symbol cards, and a sheet to print.

    \b
    OUT/train and OUT/test hold frames by class, OUT/frames one more of each class;
    OUT/cards.pdf is for printing, to hold the cards before a camera.

    \b
    Example:
      vedette-train cards demo/cards
    """
    from vedette_train import cards as drawing

    with session() as terminal:
        out.mkdir(parents=True, exist_ok=True)
        total = drawing.count(wanted["train_per_class"], wanted["test_per_class"])
        with terminal.progress("drawing cards", total) as advance:
            drawn = drawing.draw_set(out, **wanted, advance=advance)
        drawing.draw_sheet(out / "cards.pdf")
        terminal.out.print(f"{drawn} pictures of {len(drawing.CARDS)} cards in {out}")


def _print_material(material: "Material", chosen: Settings, terminal: Console) -> None:
    pictures = material.contract.provenance.pictures
    parts = ", ".join(f"{count} {part}" for part, count in pictures.items())
    terminal.print(f"{chosen.data}: {len(material.contract.labels)} classes, pictures: {parts}")
    for file, reason in list(material.left_out.items())[:MOST_NAMED]:
        terminal.print(f"left out {file}: {reason}", style="yellow")
    if (more := len(material.left_out) - MOST_NAMED) > 0:
        terminal.print(f"... and {more} more; metrics.json will name them all", style="yellow")


def _print_metrics(metrics: dict[str, Any], run: Path, terminal: Console) -> None:
    terminal.print(
        f"{metrics['test_accuracy']:.1%} of {metrics['test_pictures']} test pictures right "
        f"(epoch {metrics['best_epoch']} of {metrics['epochs']} kept, "
        f"validation {metrics['validation_accuracy']:.1%})\n"
        f"{metrics['seconds']['all']:.0f} s, peak memory {metrics['peak_memory_mb']:.0f} MB\n"
        f"{run}: look at samples.png, curves.png, confusion.png"
    )


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
                f"{len(epochs)} of {chosen.epochs} epochs are done; the best, epoch {kept.epoch} "
                f"(validation {kept.val_accuracy:.1%}), is in {run / run_folder.WEIGHTS}"
            )
            terminal.print(
                "To continue, give the same command again with --resume (make: FLAGS=--resume)"
            )
        else:
            terminal.print("No epoch was finished; give the same command again.")
        raise


if __name__ == "__main__":
    main()
