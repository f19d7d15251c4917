"""Options that the commands share."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from vedette_edge.click_types import AnyFolder
from vedette_edge.images.sources import is_url
from vedette_edge.model.contract import RESIZE_MODES
from vedette_train.data.remote_folder import open_folder


class NamedPath(click.Path):
    """A path that is not empty, which pathlib would take for the current folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Convert a value. Raises click.BadParameter."""
        if not os.fspath(value):
            self.fail("the path is empty, expected a name; '.' is the current folder.", param, ctx)
        return super().convert(value, param, ctx)


class LocalFolder(click.Path):
    """A folder of this machine, which exists."""

    name = "directory"

    def __init__(self) -> None:
        super().__init__(path_type=Path, exists=True, file_okay=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Convert a value. Raises click.BadParameter."""
        if is_url(os.fspath(value)):
            self.fail(f"{value} is a URL, expected a folder of this machine.", param, ctx)
        return super().convert(value, param, ctx)


PATH = NamedPath(path_type=Path)
FOLDER, DATA_FOLDER = LocalFolder(), AnyFolder(open_folder)


def option(
    name: str, kind: Any, default: Any, help_text: str, shown: bool | str = True
) -> Callable[[Any], Any]:
    """An option that shows its default, or another text if that depends on other options."""
    return click.option(name, type=kind, default=default, show_default=shown, help=help_text)


resize_mode_option = option(
    "--resize-mode", click.Choice(RESIZE_MODES), "squash", "How an image gets the input's shape."
)
