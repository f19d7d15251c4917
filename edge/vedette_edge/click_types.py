"""Extensions of click: a group that imports commands late, parameters, usage errors."""

import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from vedette_edge.errors import VedetteError
from vedette_edge.images.sources import is_url
from vedette_edge.interrupt import exit_on_interrupt

Commands = Mapping[str, tuple[str, str]]  # name -> `module:attribute` and a line of help


class LazyGroup(click.Group):
    """A group that imports a command only when it runs, so that `--help` is quick.

    A package that fails to import becomes an error of one line, to which `import_hint` adds what
    to do next. See "Lazily Loading Subcommands" in click's documentation.
    """

    def __init__(
        self, *arguments: Any, lazy_commands: Commands, import_hint: str = "", **options: Any
    ) -> None:
        super().__init__(*arguments, **options)
        self._lazy_commands, self._import_hint = lazy_commands, import_hint

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command. Raises click.ClickException if a package fails to import."""
        try:
            with exit_on_interrupt():
                return super().invoke(ctx)
        except ImportError as error:
            hint = f". {self._import_hint}" if self._import_hint else ""
            raise click.ClickException(f"cannot import a package: {error}{hint}") from error

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the commands' names in the order of the table."""
        return list(self._lazy_commands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command. Returns None for an unknown name."""
        if cmd_name not in self._lazy_commands:
            return None
        module, _, attribute = self._lazy_commands[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands' help from the table, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self._lazy_commands.items()])


class FiniteFloat(click.FloatRange):
    """A finite number within bounds. click accepts `nan`, and `inf` without an upper bound."""

    name = "number"  # in errors and in the help, where click has "float range"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Convert a value. Raises click.BadParameter."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


class AnyFolder(click.Path):
    """A folder of this machine, which exists, or one on a server by its URL."""

    name = "directory"

    def __init__(self, parse_url: Callable[[str], Any] = str) -> None:
        super().__init__(path_type=Path, exists=True, file_okay=False)
        self._parse_url = parse_url

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Convert a value. Raises click.BadParameter, and click.UsageError."""
        if not is_url(os.fspath(value)):
            return super().convert(value, param, ctx)
        with usage_errors():
            return self._parse_url(value)


@contextmanager
def usage_errors() -> Iterator[None]:
    """Turn VedetteError into click.UsageError, for checks of the command line."""
    try:
        yield
    except VedetteError as error:
        raise click.UsageError(str(error)) from error
