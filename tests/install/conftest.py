"""Userlands to install into, and what is installed: made once, and copied for each test.

SUITE and ARCHITECTURE (arm64, armhf) choose another system than bookworm and this machine's, e.g.
for `make test-install ARCHITECTURE=arm64`.
"""

import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from tests.conftest import Once, locked
from tests.install.userland import BUILD, NATIVE, LackingError, Userland, bare, furnish

ROOT = Path(__file__).parents[2]
SUITE = os.environ.get("SUITE", "bookworm")
ARCHITECTURE = os.environ.get("ARCHITECTURE", NATIVE)
MODEL = ROOT / "tests" / "edge" / "colours.tflite"
SETTINGS = """# mine
model = "/etc/vedette/model.tflite"
camera = "/srv/camera"
live = true
loop = true
log = "/var/log/vedette/watch.jsonl"
log-flush = 0.2
"""
INSTALL = ("sh", "/root/vedette/install.sh")
OFFLINE = ("sh", "/root/bundle/vedette/install.sh")


@pytest.fixture(scope="session")
def system() -> Path:
    """A bare Debian's folder."""
    try:
        with locked(BUILD / f"{SUITE}-{ARCHITECTURE}"):
            return bare(SUITE, ARCHITECTURE)
    except LackingError as lacking:
        pytest.skip(str(lacking))


@pytest.fixture(scope="session")
def bundle(once: Once) -> Callable[..., Path]:
    """Makes an archive as `make bundle` does: of a system's wheels, or of ours alone."""

    def make(*arguments: str | Path) -> Path:
        name = "-".join(["bundle", *(Path(argument).name for argument in arguments)])
        with locked(BUILD / "bundle"):  # of another name, but made in the same place
            return once(name, lambda folder: bundled(folder, *arguments)) / "vedette.tar.gz"

    return make


def bundled(folder: Path, *arguments: str | Path) -> None:
    done = subprocess.run(
        ["edge/bundle.sh", *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | {"PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    shutil.copy(ROOT / done.stdout.splitlines()[-1], folder / "vedette.tar.gz")


@pytest.fixture(scope="session")
def unpacked(system: Path, bundle: Callable[..., Path], once: Once) -> Path:
    """A layer in which /root/vedette holds install.sh and what belongs to it, without wheels."""

    def fill(folder: Path) -> None:
        with Userland([system], folder) as userland:
            furnish(userland)
            with tarfile.open(bundle()) as archive:
                archive.extractall(userland.path("/root"), filter="data")
            damaged = bytearray(MODEL.read_bytes())
            damaged[len(damaged) // 2] ^= 1
            userland.path("/root/colours.tflite").write_bytes(MODEL.read_bytes())
            userland.path("/root/damaged.tflite").write_bytes(damaged)

    return once("unpacked", fill) / "upper"


@pytest.fixture(scope="session")
def installation(system: Path, unpacked: Path, once: Once) -> tuple[Path, str]:
    """A layer with a first installation, from the package index, and what that said."""
    folder = once("installed", lambda folder: install_first([system, unpacked], folder))
    return folder / "upper", (folder / "said").read_text("utf-8")


def install_first(layers: Sequence[Path], folder: Path) -> None:
    """Install the source on a system that runs for the first time, while another apt is at work.

    The camera is a folder with one picture, which is shown again and again.
    """
    busy = "import fcntl, time; at = open('/var/lib/apt/lists/lock', 'w'); fcntl.lockf(at, 2)"
    with Userland(layers, folder) as userland:
        shutil.copytree(ROOT / "edge", userland.path("/root/edge"))
        for place in ("/srv/camera", "/etc/vedette"):
            userland.path(place).mkdir()
        red = np.full((480, 640, 3), (0, 0, 220), np.uint8)
        cv2.imwrite(str(userland.path("/srv/camera/red.png")), red)
        userland.path("/etc/vedette/config.toml").write_text(SETTINGS, "utf-8")
        with subprocess.Popen([*userland.entered(), "python3", "-c", f"{busy}; time.sleep(9)"]):
            done = userland.run("sh", "/root/edge/install.sh", "--model", "/root/colours.tflite")
    assert done.returncode == 0, done.stdout
    (folder / "said").write_text(done.stdout, "utf-8")


@pytest.fixture
def bare_pi(system: Path, unpacked: Path, tmp_path: Path) -> Iterator[Userland]:
    """A system on which nothing is installed yet."""
    with Userland([system, unpacked], tmp_path / "userland") as userland:
        yield userland


@pytest.fixture(scope="session")
def wheels(bundle: Callable[..., Path], once: Once) -> Path:
    """A layer in which /root/bundle/vedette holds all wheels as well."""

    def fill(folder: Path) -> None:
        with tarfile.open(bundle(f"{SUITE}-{ARCHITECTURE}")) as archive:
            archive.extractall(folder / "root" / "bundle", filter="data")

    return once("wheels", fill)


@pytest.fixture
def layers(
    system: Path, unpacked: Path, wheels: Path, installation: tuple[Path, str]
) -> list[Path]:
    """What `pi` begins with."""
    return [system, unpacked, wheels, installation[0]]


def start_service(userland: Userland) -> None:
    userland.run("systemctl", "start", "vedette")
    # Two processes: the settings were read, and the camera is being opened.
    waiting = "until [ $(pgrep -c --euid vedette) -ge 2 ]; do sleep 0.1; done"
    userland.run("sh", "-c", waiting)


@pytest.fixture
def pi(layers: list[Path], tmp_path: Path) -> Iterator[Userland]:
    """A system on which Vedette was installed and runs, and that has no network any more."""
    with Userland(layers, tmp_path / "userland", network=False) as userland:
        start_service(userland)
        yield userland


def current(pi: Userland) -> str:
    """The version that is to run."""
    return pi.run("readlink", "/opt/vedette/current").stdout.strip()


def running(pi: Userland) -> str:
    """The process that is the service: its number and its user."""
    number = pi.path("/run/units/vedette.pid").read_text("utf-8").strip()
    return pi.run("ps", "--no-headers", "-o", "pid,user", "-p", number).stdout.strip()


def settings(pi: Userland) -> str:
    """The settings of the service."""
    return pi.path("/etc/vedette/config.toml").read_text("utf-8")


def prepare(bare_pi: Userland) -> None:
    """Settings, and an apt that ends each installation soon."""
    for name in ("apt-get", "apt-cache"):
        bare_pi.path(f"/usr/local/bin/{name}").write_text("#!/bin/sh\nexit 1\n", "utf-8")
        bare_pi.path(f"/usr/local/bin/{name}").chmod(0o755)
    bare_pi.path("/etc/vedette").mkdir()
    bare_pi.path("/etc/vedette/config.toml").write_text(SETTINGS, "utf-8")
