"""The command line of `vedette-train cards`."""

from pathlib import Path

import click

from vedette_edge.console import cli_session
from vedette_train.cli.options import PATH, option
from vedette_train.data import symbol_cards


@click.command()
@click.argument("out", type=PATH)
@option("--train-per-class", click.IntRange(1), 48, "Training pictures of each card.")
@option("--test-per-class", click.IntRange(1), 10, "Test pictures of each card.")
@option("--seed", click.IntRange(0), 0, "Seed of every picture.")
def cards(out: Path, train_per_class: int, test_per_class: int, seed: int) -> None:
    """Draw the demonstration set: 50 classes of symbol cards, and a sheet to print.

    \b
    OUT/cards holds photographs of them by class, to train on and to test.
    OUT/frames holds one more of each class, as if from a camera.
    Print OUT/cards.pdf and hold the cards in front of a camera.

    \b
    Example:
      vedette-train cards demo
      vedette-train fit demo/cards --out runs/demo
    """
    with cli_session() as terminal:
        out.mkdir(parents=True, exist_ok=True)
        total = symbol_cards.count_cards(train_per_class, test_per_class)
        with terminal.show_progress("drawing cards", total) as advance:
            symbol_cards.draw_set(out, train_per_class, test_per_class, seed, advance)
        symbol_cards.draw_sheet(out / "cards.pdf")
        terminal.out.print(f"{total} pictures of {len(symbol_cards.CARDS)} cards in {out}")
