"""The flags that say of a model without a contract what it does not say itself."""

from collections.abc import Callable
from functools import reduce, wraps
from pathlib import Path
from typing import Any

import click

from vedette_edge.errors import LabelsError
from vedette_edge.model.contract import RESIZE_MODES, RESIZE_RULES
from vedette_edge.model.labels import read_labels
from vedette_edge.model.uncontracted import COLOURS, ModelOverrides

Command = Callable[..., None]


def _read(
    context: click.Context, option: click.Parameter, path: Path | None
) -> tuple[str, ...] | None:
    try:
        return read_labels(path) if path else None
    except LabelsError as error:
        raise click.ClickException(str(error)) from error


def _numbers(
    context: click.Context, option: click.Parameter, text: str | None
) -> tuple[float, ...] | None:
    try:
        return tuple(map(float, text.split(","))) if text is not None else None
    except ValueError as error:
        raise click.BadParameter(
            f"{text!r} is not one number, nor one a channel as in 104,117,123.7"
        ) from error


_file = click.Path(path_type=Path)
_OPTIONS = (
    click.option("--labels", type=_file, callback=_read, help="Foreign model: file of its labels."),
    click.option(
        "--resize-mode",
        type=click.Choice(RESIZE_MODES),
        help="Foreign model: how an image gets the shape of the input.",
    ),
    click.option(
        "--resize-rule",
        type=click.Choice(RESIZE_RULES),
        help="Foreign model: the resize rule.",
    ),
    click.option(
        "--colour", type=click.Choice(COLOURS), help="Foreign model: order of its channels."
    ),
    click.option(
        "--mean",
        metavar="N[,N,N]",
        callback=_numbers,
        help="Foreign model: its input is (pixel - mean) / std, pixels 0 to 255.",
    ),
    click.option("--std", metavar="N[,N,N]", callback=_numbers, help="Foreign model: see --mean."),
)


def model_options(command: Command) -> Command:
    """Gives a command these flags, and all that they say in one argument, `overrides`."""

    @wraps(command)
    def with_overrides(**given: Any) -> None:
        overrides = {name: given.pop(name) for name in ModelOverrides.__dataclass_fields__}
        command(overrides=ModelOverrides(**overrides), **given)

    return reduce(lambda inner, option: option(inner), reversed(_OPTIONS), with_overrides)
