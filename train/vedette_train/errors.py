"""Errors of training that the user can fix."""

from collections.abc import Iterable

from vedette_edge.errors import VedetteError

# Flags as messages name them, for the command and for make.
RESUME, OVERWRITE = (f"{flag} (make: FLAGS={flag})" for flag in ("--resume", "--overwrite"))

MOST_NAMES = 10  # in a message


class DatasetError(VedetteError, ValueError):
    """Photographs that cannot be trained on."""


class RunError(VedetteError, ValueError):
    """A run folder that cannot be written or continued."""


class WeightsError(VedetteError, ValueError):
    """Pretrained weights that are missing, damaged or of the wrong content."""


class DivergenceError(VedetteError, ValueError):
    """Gradient descent whose loss is no longer a number."""


def join_names(names: Iterable[str]) -> str:
    """Join names for a message; if many, the first ones and a number."""
    listed = list(names)
    if len(listed) > MOST_NAMES:
        listed = [*listed[:MOST_NAMES], f"{len(listed) - MOST_NAMES:,} more"]
    *first, last = listed
    return f"{', '.join(first)} and {last}" if first else last
