"""The flags that limit what the log may write: the same for `run` and `check`."""

from collections.abc import Callable
from functools import reduce, wraps
from typing import Any

import click

from vedette_edge.click_types import FiniteFloat
from vedette_edge.log.rotation import LogLimits

Command = Callable[..., None]
MEGABYTES = FiniteFloat(0.01, 1e6)


def _option(name: str, kind: click.FloatRange, default: float, help_text: str) -> Any:
    return click.option(name, type=kind, default=default, show_default=True, help=help_text)


_OPTIONS = (
    _option("--log-day", MEGABYTES, 5.0, "MB that the log may grow in 24 hours."),
    _option("--log-total", MEGABYTES, 50.0, "MB that all its files may have; the oldest goes."),
    _option("--log-flush", FiniteFloat(0.1), 5.0, "Seconds of it that a pulled plug costs."),
)


def log_options(command: Command) -> Command:
    """Gives a command these flags, and what they say in one argument, `limits`."""

    @wraps(command)
    def with_limits(log_day: float, log_total: float, log_flush: float, **given: Any) -> None:
        command(limits=LogLimits.from_megabytes(log_day, log_total, log_flush), **given)

    return reduce(lambda inner, option: option(inner), reversed(_OPTIONS), with_limits)
