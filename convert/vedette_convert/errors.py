"""Errors of conversion that the user can fix."""

from vedette_edge.errors import VedetteError


class RunFolderError(VedetteError, ValueError):
    """A run folder that cannot be converted."""


class ConversionError(VedetteError, ValueError):
    """A model that cannot be quantized as Vedette needs it."""


class KerasFileError(VedetteError, ValueError):
    """An external model that does not load, or that is not described well enough."""
