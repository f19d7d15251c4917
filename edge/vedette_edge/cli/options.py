"""What several commands of the edge have in common."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from vedette_edge.console import Output

if TYPE_CHECKING:
    from vedette_edge.model.classifier import Classifier

UNREADABLE = 4  # exit code: some pictures could not be read, all others were classified


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


def run_self_test(classifier: "Classifier", terminal: Output, *, skip: bool) -> None:
    """What is assumed, and the self-test, before anything is said about a picture."""
    from vedette_edge.model import self_test

    for assumption in classifier.assumptions:
        terminal.err.print(f"assumed: {assumption}", style="yellow")
    if skip:
        terminal.err.print("no self-test: whether this machine sees alike is not proved")
    elif classifier.model.samples:
        self_test.require_equal(classifier, list(self_test.replay_samples(classifier)))
    else:
        terminal.err.print(
            "the model carries no samples: whether this machine sees alike is unknown"
        )
