"""Arguments and options that several commands share, also for models from other tools."""

from collections.abc import Callable, Collection, Iterable
from functools import wraps
from inspect import signature
from pathlib import Path
from typing import Any, TypeVar

import click

from vedette_edge.errors import LabelsError, SettingError
from vedette_edge.model.contract import RESIZE_MODES, RESIZE_RULES
from vedette_edge.model.labels import read_labels
from vedette_edge.model.overrides import COLOURS, ModelOverrides
from vedette_edge.policy.rule import Rule, parse_rules

Command = Callable[..., None]
Decorator = Callable[[Command], Command]
T = TypeVar("T")

MOST_NAMES = 40  # in a message
UNREADABLE = 4  # exit code: some pictures could not be read or scored, all others were classified

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


class RuleTables(click.ParamType):  # type: ignore[type-arg]  # before click 8.2 it takes none
    """The `[[on]]` tables of a TOML file."""

    name = "tables"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Rule, ...]:
        """Parse the tables. Raises click.BadParameter that names all mistakes."""
        if isinstance(value, tuple):
            return value
        try:
            return parse_rules(value)
        except SettingError as error:
            self.fail(str(error), param, ctx)


def apply_options(*options: Decorator) -> Decorator:
    """Combine options into one decorator. The help shows them in this order."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def collect_options(name: str, build: Callable[..., object], *options: Decorator) -> Decorator:
    """Combine options; their values reach the command as one argument, which `build` creates.

    A SettingError of `build` becomes an error of the command line.
    """

    def decorate(command: Command) -> Command:
        @wraps(command)
        def call_with_argument(**values: Any) -> None:
            own = {key: values.pop(key) for key in signature(build).parameters if key in values}
            try:
                argument = build(**own)
            except SettingError as error:
                raise click.UsageError(str(error)) from error
            command(**{name: argument}, **values)

        return apply_options(*options)(call_with_argument)

    return decorate


def parse_each(parse: Callable[[str], T], texts: Iterable[str]) -> tuple[T, ...]:
    """Parse texts; a SettingError becomes an error of the command line."""
    try:
        return tuple(parse(text) for text in texts)
    except SettingError as error:
        raise click.BadParameter(str(error)) from error


def suggest_name(name: str, known: Collection[str]) -> str:
    """Suggest the known name that is nearest to an unknown one, or else list them."""
    import difflib  # only a mistake needs it

    if near := difflib.get_close_matches(name, known, 1):
        return f"did you mean {near[0]!r}?"
    more = " ..." if len(known) > MOST_NAMES else ""
    return f"expected one of: {', '.join(sorted(known)[:MOST_NAMES])}{more}"


def _read_labels(path: str) -> tuple[str, ...]:
    try:
        return read_labels(Path(path))
    except LabelsError as error:
        raise click.ClickException(str(error)) from error


def _parse_numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(map(float, text.split(",")))
    except ValueError as error:
        expected = "one number, or one per channel as in 104,117,123.7"
        raise click.BadParameter(f"{text!r}: expected {expected}") from error


model_options = collect_options(
    "overrides",
    ModelOverrides,
    click.option(
        "--labels",
        type=_read_labels,
        metavar="PATH",
        help="Other tool's model: file of its labels.",
    ),
    click.option(
        "--resize-mode",
        type=click.Choice(RESIZE_MODES),
        help="Other tool's model: how a picture gets the shape of the input.",
    ),
    click.option(
        "--resize-rule",
        type=click.Choice(RESIZE_RULES),
        help="Other tool's model: how pixels are averaged when a picture shrinks.",
    ),
    click.option(
        "--colour", type=click.Choice(COLOURS), help="Other tool's model: order of its channels."
    ),
    click.option(
        "--mean",
        metavar="N[,N,N]",
        type=_parse_numbers,
        help="Other tool's model: its input is (pixel - mean) / std, pixels 0 to 255.",
    ),
    click.option(
        "--std", metavar="N[,N,N]", type=_parse_numbers, help="Other tool's model: see --mean."
    ),
)
