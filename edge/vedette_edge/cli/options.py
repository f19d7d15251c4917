"""Arguments and options that several commands share."""

from collections.abc import Callable
from pathlib import Path

import click

Command = Callable[..., None]

UNREADABLE = 4  # exit code: some pictures could not be read, all others were classified

model_argument = click.argument("model", type=click.Path(path_type=Path))
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
threads_option = click.option(
    "--threads",
    type=click.IntRange(1, 64),
    show_default="one per core, up to 4",
    help="Threads of the interpreter.",
)
no_self_test_option = click.option(
    "--no-self-test", is_flag=True, help="Skip the self-test of the model on this machine."
)


def apply_options(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Combine options into one decorator. The help shows them in this order."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate
