"""Prints what was installed, as a row of the table in docs/supported.md.

Raises AssertionError where apt has numpy or OpenCV and another is used: pip must leave them alone.
"""

import platform
import sys
from pathlib import Path

import cv2
import numpy as np

from vedette_edge.model import interpreter

APT = Path("/usr/lib/python3/dist-packages")


def main() -> None:
    cells = (
        platform.freedesktop_os_release()["VERSION_CODENAME"],
        platform.machine(),
        platform.python_version(),
        interpreter.find_runtime().name,
        f"{np.__version__} {origin('numpy', np.__file__)}",
        f"{cv2.__version__} {origin('cv2', cv2.__file__)}",
    )
    sys.stdout.write(f"| {' | '.join(cells)} |\n")


def origin(module: str, file: str | None) -> str:
    """Who made the package that is used."""
    used = bool(file) and APT in Path(str(file)).parents
    assert used or not list(APT.glob(f"{module}*")), f"pip has put a {module} before apt's: {file}"
    return "(apt)" if used else "(PyPI)"


if __name__ == "__main__":
    main()
