"""What several commands of the edge have in common."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vedette_edge.command_line import Terminal

if TYPE_CHECKING:
    from vedette_edge.classifier import Classifier

UNREADABLE = 4  # exit code: some pictures could not be read, all others were classified


class Number(click.FloatRange):
    """A finite number within bounds; click lets `nan` through any, and `inf` where one is open."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number. Raises click.BadParameter."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


model_argument = click.argument("model", type=click.Path(path_type=Path))
json_option = click.option("--json", "as_json", is_flag=True, help="JSON, for machines.")
threads_option = click.option(
    "--threads",
    type=click.IntRange(1, 64),
    help="Interpreter threads. [default: one a core, up to 4]",
)
no_self_test_option = click.option(
    "--no-self-test", is_flag=True, help="Start without proof that this machine sees alike."
)


def prove(classifier: "Classifier", terminal: Terminal, *, skip: bool) -> None:
    """What is assumed, and the self-test, before anything is said about a picture."""
    from vedette_edge import golden

    for assumption in classifier.assumptions:
        terminal.err.print(f"assumed: {assumption}", style="yellow")
    if skip:
        terminal.err.print("no self-test: whether this machine sees alike is not proved")
    elif classifier.model.samples:
        golden.judge(classifier, list(golden.replay(classifier)))
    else:
        terminal.err.print(
            "the model carries no samples: whether this machine sees alike is unknown"
        )
