"""Errors of training that the user can fix."""

from vedette_edge.errors import VedetteError

# Flags as messages name them, for the command and for make.
RESUME, OVERWRITE = (f"{flag} (make: FLAGS={flag})" for flag in ("--resume", "--overwrite"))


class DatasetError(VedetteError, ValueError):
    """Photographs that cannot be trained on."""


class RunError(VedetteError, ValueError):
    """A run folder that cannot be written or continued."""


class WeightsError(VedetteError, ValueError):
    """Pretrained weights that are missing, damaged or of the wrong content."""


class DivergenceError(VedetteError, ValueError):
    """Gradient descent whose loss is no longer a number."""
