"""Errors that the user can fix.

Each message says what was found, what was expected and what to do next; commands print it
and exit with code 1. Any other exception is a bug in Vedette.
"""


class VedetteError(Exception):
    """An error that the user can fix."""


class ImageError(VedetteError, ValueError):
    """A file or an array that is not a valid image."""


class DecoderMissingError(ImageError, ImportError):
    """An image whose decoder is not installed."""


class ContractError(VedetteError, ValueError):
    """A contract that is incomplete, of an unknown format or contradicts itself."""


class LabelsError(VedetteError, ValueError):
    """A labels file that is unreadable or empty, or that repeats a label."""


class ModelFileError(VedetteError, ValueError):
    """A model file that is damaged, not supported or contradicts its contract."""


class ScoresError(VedetteError, ArithmeticError):
    """Scores that are not finite numbers, which a model may give for some images."""


class ClosedError(VedetteError, ValueError):
    """A classifier that is used after it was closed."""


class RuntimeMissingError(VedetteError, ImportError):
    """No working TFLite interpreter is installed."""


class CameraError(VedetteError, OSError):
    """A camera or another source of frames that cannot be opened or read."""


class SelfTestError(VedetteError, RuntimeError):
    """A model that gives other results on this machine than at conversion."""


class SettingError(VedetteError, ValueError):
    """A setting that is invalid or does not suit its purpose."""
