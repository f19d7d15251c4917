"""Errors that the user can fix.

Each message says what was found, what was expected and what to do next; commands print it
and exit with code 1. Any other exception is a bug in Vedette.
"""

from collections.abc import Iterable

MOST_NAMES = 10  # in a message


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


class BrokerError(VedetteError, ConnectionError):
    """A broker that cannot be reached, that refuses us, or that breaks MQTT's rules."""


class BrokerAbsentError(BrokerError):
    """A broker that does not answer now: another try may succeed, with the same settings."""


class ProtocolError(VedetteError, ValueError):
    """A packet on the watch's socket, or a message of a device, that is not valid."""


class RemoteError(VedetteError, RuntimeError):
    """A bucket or a web server that cannot be reached, or that fails."""


class ClusterError(VedetteError, RuntimeError):
    """A cluster that cannot be reached, or that cannot do its work."""


class SelfTestError(VedetteError, RuntimeError):
    """A model that gives other results on this machine than at conversion."""


class SettingError(VedetteError, ValueError):
    """A setting that is invalid or does not suit its purpose."""


def join_names(names: Iterable[str]) -> str:
    """Join names for a message; if many, the first ones and a number."""
    listed = list(names)
    if len(listed) > MOST_NAMES:
        listed = [*listed[:MOST_NAMES], f"{len(listed) - MOST_NAMES:,} more"]
    *first, last = listed
    return f"{', '.join(first)} and {last}" if first else last
