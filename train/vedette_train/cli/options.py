"""Options that the commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from vedette_edge.model.contract import RESIZE_MODES

PATH = click.Path(path_type=Path)
FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


def option(
    name: str, kind: Any, default: Any, help_text: str, shown: bool | str = True
) -> Callable[[Any], Any]:
    """An option that shows its default, or another text if that depends on other options."""
    return click.option(name, type=kind, default=default, show_default=shown, help=help_text)


resize_mode_option = option(
    "--resize-mode", click.Choice(RESIZE_MODES), "squash", "How an image gets the input's shape."
)
