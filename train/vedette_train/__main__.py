"""Command line of training: `vedette-train fit`, `audit` and `cards`."""

import os

from vedette_edge.interrupt import exit_on_interrupt

with exit_on_interrupt():
    import click

    from vedette_edge.click_types import LazyGroup

COMMANDS = {
    "audit": ("vedette_train.cli.audit:audit", "Check photographs before training."),
    "cards": ("vedette_train.cli.cards:cards", "Draw a demonstration set of symbol cards."),
    "fit": ("vedette_train.cli.fit:fit", "Train a classifier on photographs."),
}


@click.group(
    cls=LazyGroup, lazy_commands=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(package_name="vedette-train")
def main() -> None:
    """Turn photographs in class folders into a trained classifier.

    Results go to standard output, everything else to standard error. Exit codes: 0 success,
    1 failure, 2 wrong command line, 130 interrupted.
    """
    # Without this, Matplotlib looks for a window system.
    os.environ.setdefault("MPLBACKEND", "agg")


if __name__ == "__main__":
    main()
