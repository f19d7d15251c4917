"""The command line of `vedette-train cards`."""

from pathlib import Path

import click

from vedette_edge.console import cli_session
from vedette_train.cli.options import PATH, option


@click.command()
@click.argument("out", type=PATH)
@option("--train-per-class", click.IntRange(1), 48, "Pictures of each card to train on.")
@option("--test-per-class", click.IntRange(1), 10, "Pictures of each card to test on.")
@option("--seed", click.IntRange(0), 0, "Decides every picture.")
def cards(out: Path, **wanted: int) -> None:
    """Draw the demonstration set: 50 classes of symbol cards, and a sheet to print.

    \b
    OUT/train and OUT/test hold frames by class, OUT/frames one more of each class;
    OUT/cards.pdf is for printing, to hold the cards before a camera.

    \b
    Example:
      vedette-train cards demo/cards
    """
    from vedette_train.data import symbol_cards as drawing

    with cli_session() as terminal:
        out.mkdir(parents=True, exist_ok=True)
        total = drawing.count_cards(wanted["train_per_class"], wanted["test_per_class"])
        with terminal.show_progress("drawing cards", total) as advance:
            drawn = drawing.draw_set(out, **wanted, advance=advance)
        drawing.draw_sheet(out / "cards.pdf")
        terminal.out.print(f"{drawn} pictures of {len(drawing.CARDS)} cards in {out}")
