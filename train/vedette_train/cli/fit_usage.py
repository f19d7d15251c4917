"""Usage errors of `vedette-train fit`: flags that do not go together."""

from importlib.util import find_spec
from pathlib import Path

import click

from vedette_train.config import (
    ARCHITECTURE_DEFAULTS,
    DISCRIMINANT,
    GRADIENT,
    OF_DESCENT,
    TrainConfig,
)


def check_usage(context: click.Context, config: TrainConfig, out: Path) -> None:
    """Raise click.UsageError for flags that do not go together, naming them."""
    _check_head(config)
    _check_unused_flags(context, config)
    _check_folders(config, out)
    if context.params["tensorboard"] and not find_spec("tensorboard"):
        raise click.UsageError("--tensorboard needs: pip install 'vedette-train[tensorboard]'")


def _check_head(config: TrainConfig) -> None:
    defaults = ARCHITECTURE_DEFAULTS[config.architecture]
    if config.head not in defaults.heads:
        raise click.UsageError(
            f"--head {config.head} is not possible with {config.architecture}; "
            f"use {' or '.join(defaults.heads)}"
        )
    if config.fine_tune and not defaults.pretrained:
        raise click.UsageError(
            f"--fine-tune is for pretrained networks; {config.architecture} is not pretrained, "
            "all of it trains from the first epoch. Omit --fine-tune"
        )
    if not config.test and config.descends:
        closed = config.head == DISCRIMINANT
        fix = "set --fine-tune 0" if closed else "omit --architecture and --head"
        raise click.UsageError(f"--test 0 is only for a head in closed form: {fix}")


def _check_unused_flags(context: click.Context, config: TrainConfig) -> None:
    """Refuse flags on the command line that have no effect with a head in closed form."""
    if config.head != DISCRIMINANT:
        return
    unused = ("epochs",) if config.fine_tune else (*OF_DESCENT, "tensorboard", "resume")
    source = click.core.ParameterSource.COMMANDLINE
    typed = [name for name in unused if context.get_parameter_source(name) is source]
    if not typed:
        return
    reason, hint = "no effect, because --fine-tune sets the number of epochs", ""
    if not config.fine_tune:
        reason = "no effect on a head in closed form, which has no epochs"
        gradient = GRADIENT in ARCHITECTURE_DEFAULTS[config.architecture].heads
        hint = ", or add --fine-tune N" + " or --head gradient" * gradient
    flags = ", ".join(_find_flag(context, name) for name in typed)
    raise click.UsageError(f"{flags}: {reason}. Omit {'it' if len(typed) == 1 else 'them'}{hint}")


def _find_flag(context: click.Context, name: str) -> str:
    """The flag of a parameter, as the user typed it."""
    option = next(option for option in context.command.params if option.name == name)
    off = context.params[name] is False and option.secondary_opts
    return off[0] if off else option.opts[0]


def _check_folders(config: TrainConfig, out: Path) -> None:
    """Refuse a run folder within the photographs, and one that --start names, too."""
    for photographs in (config.data, *config.unknown):
        if photographs.resolve() in (out.resolve(), *out.resolve().parents):
            raise click.UsageError(f"{out} is inside {photographs}; choose a folder outside of it")
    if config.start and config.start.resolve() == out.resolve():
        raise click.UsageError(f"--start {config.start} is also --out; choose another folder")
