"""Types of values on the command line."""

import math
from typing import Any

import click


class FiniteFloat(click.FloatRange):
    """A finite number within bounds; click lets `nan` through any, and `inf` where one is open."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number. Raises click.BadParameter."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number
