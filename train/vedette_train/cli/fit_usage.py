"""Usage errors of `vedette-train fit`: flags that do not go together."""

import click

from vedette_edge.click_types import usage_errors
from vedette_train.config import TrainConfig, explain_unused, list_unused


def create_config(context: click.Context, flags: dict[str, object]) -> TrainConfig:
    """Create the settings from flags. Raises click.UsageError if they do not go together."""
    with usage_errors():
        config = TrainConfig(**flags)  # type: ignore[arg-type]  # click has checked the types
    _check_unused_flags(context, config)
    return config


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
