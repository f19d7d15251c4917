"""Training's command line: `vedette-train fit`, `audit` and `cards`."""

import os

import click

from vedette_train.cli.audit import audit
from vedette_train.cli.cards import cards
from vedette_train.cli.fit import fit


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="vedette-train")
def main() -> None:
    """Turn photographs in class folders into a trained classifier.

    Results go to standard output, everything else to standard error. Exit codes: 0 all well,
    1 nothing could be done, 2 wrong command line, 130 interrupted.
    """
    # Matplotlib looks for a screen's toolkit unless it is told that there is none.
    os.environ.setdefault("MPLBACKEND", "agg")


for command in (audit, fit, cards):
    main.add_command(command)

if __name__ == "__main__":
    main()
