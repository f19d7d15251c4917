"""The releases of Home Assistant that the tests ask, each installed in a Debian of its own.

Needs root and mmdebstrap, and for the first time a network. Both systems stay in
build/home-assistant.
"""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import locked
from tests.install.userland import NATIVE, LackingError, Userland, bare, connect

HERE = Path(__file__).parent
BUILD = HERE.parents[1] / "build" / "home-assistant"
PYTHON = "/home-assistant/bin/python"


@dataclass(frozen=True, slots=True)
class Release:
    """A release, pinned in VERSION.txt, and the Debian that has the Python it needs."""

    version: str
    suite: str
    packages: str = ""  # Debian's, besides those of all

    @property
    def pins(self) -> Path:
        return HERE / f"{self.version}.txt"


PACKAGES = "ca-certificates libturbojpeg0 python3 python3-venv tzdata"
RELEASES = (
    Release("2026.11.0", "forky"),
    Release("2026.2.3", "trixie", "gcc libc6-dev python3-dev"),
)


def install(release: Release) -> list[Path]:
    """The layers of a system with the release. Raises LackingError where it cannot be had."""
    layer = BUILD / release.version
    installed = layer / "pins.txt"  # the last file that is written
    pins = release.pins.read_bytes()
    with locked(layer):
        system = bare(release.suite, NATIVE, f"{PACKAGES} {release.packages}".strip(), BUILD)
        if not installed.exists() or installed.read_bytes() != pins:
            shutil.rmtree(layer, ignore_errors=True)
            _install_python(release, system, layer)
            installed.write_bytes(pins)
    return [system, layer / "upper"]


def _install_python(release: Release, system: Path, layer: Path) -> None:
    began = time.monotonic()
    with Userland([system], layer) as userland:
        connect(userland)
        shutil.copy(release.pins, userland.path("/pins.txt"))
        userland.run("python3", "-m", "venv", "/home-assistant")
        pip = (PYTHON, *"-m pip install --quiet --no-compile --no-cache-dir --no-deps".split())
        done = userland.run(*pip, "--requirement", "/pins.txt", PIP_CONSTRAINT="/pins.txt")
    if done.returncode:
        raise LackingError(f"no Home Assistant {release.version} here: {done.stdout[-300:]}")
    seconds = time.monotonic() - began
    print(f"Home Assistant {release.version} installed in {seconds:.0f} s")  # noqa: T201
