"""The hubs that the tests ask, each installed in a Debian of its own.

Needs root and mmdebstrap, and for the first time a network. All stay in build/home-assistant.
"""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

from tests.conftest import locked
from tests.install.userland import NATIVE, LackingError, Userland, bare, connect

HERE = Path(__file__).parent
BUILD = HERE.parents[1] / "build" / "home-assistant"
PYTHON = "/home-assistant/bin/python"
PIP = (PYTHON, *"-m pip install --quiet --no-compile --no-cache-dir --no-deps".split())
PACKAGES = "ca-certificates libturbojpeg0 python3 python3-venv tzdata"
# npm takes what Node-RED depends on as it was on a day.
NODE_RED = "node-red@5.0.7 --before 2026-11-20 --no-audit --no-fund --ignore-scripts"


@dataclass(frozen=True, slots=True)
class Release:
    """A release of Home Assistant, and the Debian that has the Python it needs."""

    version: str
    suite: str
    packages: str = PACKAGES

    @property
    def pins(self) -> Path:
        return HERE / f"{self.version}.txt"


RELEASES = (
    Release("2026.11.0", "forky"),
    Release("2026.2.3", "trixie", f"{PACKAGES} gcc libc6-dev python3-dev"),
)


def install_home_assistant(release: Release) -> list[Path]:
    """The layers of a system with the release. Raises LackingError where it cannot be had."""

    def install(userland: Userland) -> CompletedProcess[str]:
        shutil.copy(release.pins, userland.path("/pins.txt"))
        userland.run("python3", "-m", "venv", "/home-assistant")
        return userland.run(*PIP, "--requirement", "/pins.txt", PIP_CONSTRAINT="/pins.txt")

    with locked(BUILD / release.version):
        system = bare(release.suite, NATIVE, release.packages, BUILD)
        return [system, _add_layer(system, release.version, release.pins.read_bytes(), install)]


def install_node_red() -> list[Path]:
    """The layers of a system with Node-RED. Raises LackingError where it cannot be had."""

    def install(userland: Userland) -> CompletedProcess[str]:
        certificates = {"npm_config_cafile": "/etc/ssl/certs/ca-certificates.crt"}
        npm = ("npm", "install", "--prefix", "/node-red", *NODE_RED.split())
        return userland.run(*npm, **certificates)

    with locked(BUILD / "node-red"):
        system = bare("forky", NATIVE, "ca-certificates nodejs npm", BUILD / "node")
        return [system, _add_layer(system, "node-red", NODE_RED.encode(), install)]


def _add_layer(
    system: Path, name: str, pins: bytes, install: Callable[[Userland], CompletedProcess[str]]
) -> Path:
    """The layer above a system with what is installed, unless there is one with the same pins."""
    layer = BUILD / name
    installed = layer / "installed"  # written last
    if not installed.exists() or installed.read_bytes() != pins:
        shutil.rmtree(layer, ignore_errors=True)
        began = time.monotonic()
        with Userland([system], layer) as userland:
            connect(userland)
            done = install(userland)
        if done.returncode:
            raise LackingError(f"no {name} here: {done.stdout[-300:]}")
        print(f"{name} installed in {time.monotonic() - began:.0f} s")  # noqa: T201
        installed.write_bytes(pins)
    return layer / "upper"
