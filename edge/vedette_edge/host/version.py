"""The version of Vedette that is installed."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version


@cache  # read from the disk once
def read_version() -> str:
    """Read the version, such as 0.1.0; 0 if Vedette runs without being installed."""
    try:
        return version("vedette-edge")
    except PackageNotFoundError:
        return "0"
