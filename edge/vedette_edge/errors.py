"""What can go wrong in a way that the user can mend.

Each message says what was found, what was expected and what to do next; commands print it
and end with code 1. Anything else that is raised is a fault of Vedette's own.
"""


class VedetteError(Exception):
    """A fault that the user can mend."""


class ImageError(VedetteError, ValueError):
    """A file or an array that is no picture."""


class DecoderMissingError(ImageError, ImportError):
    """A picture in a format of which the decoder is not installed."""


class ContractError(VedetteError, ValueError):
    """A contract that is incomplete, unknown or contradicts itself."""


class LabelsError(VedetteError, ValueError):
    """A file of labels that cannot be read, or names none or one twice."""


class ModelFileError(VedetteError, ValueError):
    """A model file that is damaged, foreign or contradicts its contract."""


class RuntimeMissingError(VedetteError, ImportError):
    """No TFLite interpreter that works is installed."""


class CameraError(VedetteError, OSError):
    """A source of frames that cannot be opened or read."""


class SelfTestError(VedetteError, RuntimeError):
    """A machine on which a model does not do what it did at conversion."""


class SettingError(VedetteError, ValueError):
    """A setting that is not understood, or does not fit what it is for."""
