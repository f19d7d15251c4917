"""Options for a model without a contract, as other tools make them."""

from functools import wraps
from pathlib import Path
from typing import Any

import click

from vedette_edge.cli.options import Command, apply_options
from vedette_edge.errors import LabelsError
from vedette_edge.model.contract import RESIZE_MODES, RESIZE_RULES
from vedette_edge.model.labels import read_labels
from vedette_edge.model.overrides import COLOURS, ModelOverrides


def _read_labels(
    context: click.Context, option: click.Parameter, path: Path | None
) -> tuple[str, ...] | None:
    try:
        return read_labels(path) if path else None
    except LabelsError as error:
        raise click.ClickException(str(error)) from error


def _parse_numbers(
    context: click.Context, option: click.Parameter, text: str | None
) -> tuple[float, ...] | None:
    try:
        return tuple(map(float, text.split(","))) if text is not None else None
    except ValueError as error:
        raise click.BadParameter(
            f"{text!r}: expected one number, or one per channel as in 104,117,123.7"
        ) from error


_add_options = apply_options(
    click.option(
        "--labels",
        type=click.Path(path_type=Path),
        callback=_read_labels,
        help="Foreign model: file of its labels.",
    ),
    click.option(
        "--resize-mode",
        type=click.Choice(RESIZE_MODES),
        help="Foreign model: how a picture gets the shape of the input.",
    ),
    click.option(
        "--resize-rule", type=click.Choice(RESIZE_RULES), help="Foreign model: resize rule."
    ),
    click.option(
        "--colour", type=click.Choice(COLOURS), help="Foreign model: order of its channels."
    ),
    click.option(
        "--mean",
        metavar="N[,N,N]",
        callback=_parse_numbers,
        help="Foreign model: its input is (pixel - mean) / std, pixels 0 to 255.",
    ),
    click.option(
        "--std", metavar="N[,N,N]", callback=_parse_numbers, help="Foreign model: see --mean."
    ),
)


def model_options(command: Command) -> Command:
    """Add these options to a command, which gets them in one argument, `overrides`."""

    @wraps(command)
    def pack_overrides(**flags: Any) -> None:
        values = {name: flags.pop(name) for name in ModelOverrides.__dataclass_fields__}
        command(overrides=ModelOverrides(**values), **flags)

    return _add_options(pack_overrides)
