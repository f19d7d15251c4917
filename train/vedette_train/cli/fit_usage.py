"""Usage errors of `vedette-train fit`: flags that do not go together."""

from pathlib import Path

import click

from vedette_edge.errors import SettingError
from vedette_train.config import TrainConfig, explain_unused, list_unused
from vedette_train.pipeline.train import check_folders


def create_config(context: click.Context, flags: dict[str, object]) -> TrainConfig:
    """Create the settings from flags. Raises click.UsageError if they do not go together."""
    try:
        config = TrainConfig(**flags)  # type: ignore[arg-type]  # click has checked the types
    except SettingError as error:
        raise click.UsageError(str(error)) from error
    _check_unused_flags(context, config)
    return config


def check_usage(data: Path, config: TrainConfig, out: Path) -> None:
    """Raise click.UsageError for folders that do not go together."""
    try:
        check_folders(data, config, out)
    except SettingError as error:
        raise click.UsageError(str(error)) from error


def _check_unused_flags(context: click.Context, config: TrainConfig) -> None:
    """Refuse flags on the command line that have no effect, even with their default values."""
    unused = list_unused(config.head, config.fine_tune)
    if not config.descends:
        unused = (*unused, "resume")
    source = click.core.ParameterSource.COMMANDLINE
    typed = [name for name in unused if context.get_parameter_source(name) is source]
    if typed:
        flags = [_find_flag(context, name) for name in typed]
        raise click.UsageError(explain_unused(config, flags))


def _find_flag(context: click.Context, name: str) -> str:
    """The flag of a parameter, as the user typed it."""
    option = next(option for option in context.command.params if option.name == name)
    off = context.params[name] is False and option.secondary_opts
    return off[0] if off else option.opts[0]
