"""Errors of conversion that the user can fix."""

from typing import Any

from vedette_edge.errors import VedetteError


class RunFolderError(VedetteError, ValueError):
    """A run folder that cannot be converted."""


class ConversionError(VedetteError, ValueError):
    """A model that cannot be quantized as Vedette needs it."""


class KerasFileError(VedetteError, ValueError):
    """An external model that does not load, or that is not described well enough."""


class RefusedError(VedetteError):
    """A conversion whose attempts are all worse than the float model.

    `result` is its ConversionResult.
    """

    def __init__(self, message: str, result: Any) -> None:
        super().__init__(message)
        self.result = result
