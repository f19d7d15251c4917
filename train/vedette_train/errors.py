"""What can go wrong in training in a way that the user can mend."""

from vedette_edge.errors import VedetteError


class DatasetError(VedetteError, ValueError):
    """Photographs that cannot be trained on."""


class RunError(VedetteError, ValueError):
    """A run folder that cannot be written or continued."""


class WeightsError(VedetteError, ValueError):
    """Pretrained weights that are not installed, damaged or not what they should be."""
