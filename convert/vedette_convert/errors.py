"""What can go wrong in conversion in a way that the user can mend."""

from vedette_edge.errors import VedetteError


class RunFolderError(VedetteError, ValueError):
    """A run folder that cannot be converted."""


class ConversionError(VedetteError, ValueError):
    """A model that cannot be quantized as Vedette needs it."""


class KerasFileError(VedetteError, ValueError):
    """A model from elsewhere that does not load, or of which too much is unknown."""
