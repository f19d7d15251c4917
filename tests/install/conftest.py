"""Userlands to install into, and what is installed: made once, and copied for each test.

SUITE and ARCHITECTURE (arm64, armhf) choose another system than bookworm and this machine's, e.g.
for `make test-install ARCHITECTURE=arm64`.
"""

import os
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from tests.install.userland import LackingError, Userland, bare, furnish

ROOT = Path(__file__).parents[2]
SUITE = os.environ.get("SUITE", "bookworm")
HERE = "arm64" if os.uname().machine == "aarch64" else "amd64"
ARCHITECTURE = os.environ.get("ARCHITECTURE", HERE)
MODEL = ROOT / "tests" / "edge" / "colours.tflite"
SETTINGS = """# mine
model = "/etc/vedette/model.tflite"
camera = "/srv/camera"
live = true
loop = true
log = "/var/log/vedette/watch.jsonl"
log-flush = 0.2
"""


@pytest.fixture(scope="session")
def system() -> Path:
    """A bare Debian's folder."""
    try:
        return bare(SUITE, ARCHITECTURE)
    except LackingError as lacking:
        pytest.skip(str(lacking))


@pytest.fixture(scope="session")
def bundle() -> Callable[..., Path]:
    """Makes an archive as `make bundle` does: of a system's wheels, or of ours alone."""

    def make(*arguments: str | Path) -> Path:
        command = ["edge/bundle.sh", *map(str, arguments)]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=os.environ | {"PYTHON": sys.executable},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return ROOT / done.stdout.splitlines()[-1]

    return make


@pytest.fixture(scope="session")
def unpacked(
    system: Path, bundle: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A layer in which /root/vedette holds install.sh and what belongs to it, without wheels."""
    with Userland([system], tmp_path_factory.mktemp("unpacked")) as userland:
        furnish(userland)
        with tarfile.open(bundle()) as archive:
            archive.extractall(userland.path("/root"), filter="data")
        damaged = bytearray(MODEL.read_bytes())
        damaged[len(damaged) // 2] ^= 1
        userland.path("/root/colours.tflite").write_bytes(MODEL.read_bytes())
        userland.path("/root/damaged.tflite").write_bytes(damaged)
    return userland.upper


@pytest.fixture(scope="session")
def installation(
    system: Path, unpacked: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """A layer with a first installation, from the package index, and what that said.

    The camera is a folder with one picture, which is shown again and again. As on a system that is
    started for the first time, another apt is at work.
    """
    busy = "import fcntl, time; at = open('/var/lib/apt/lists/lock', 'w'); fcntl.lockf(at, 2)"
    with Userland([system, unpacked], tmp_path_factory.mktemp("installed")) as userland:
        for folder in ("/srv/camera", "/etc/vedette"):
            userland.path(folder).mkdir()
        red = np.full((480, 640, 3), (0, 0, 220), np.uint8)
        cv2.imwrite(str(userland.path("/srv/camera/red.png")), red)
        userland.path("/etc/vedette/config.toml").write_text(SETTINGS, "utf-8")
        with subprocess.Popen([*userland.entered(), "python3", "-c", f"{busy}; time.sleep(9)"]):
            done = userland.run("sh", "/root/vedette/install.sh", "--model", "/root/colours.tflite")
    assert done.returncode == 0, done.stdout
    return userland.upper, done.stdout


@pytest.fixture
def bare_pi(system: Path, unpacked: Path, tmp_path: Path) -> Iterator[Userland]:
    """A system on which nothing is installed yet."""
    with Userland([system, unpacked], tmp_path / "userland") as userland:
        yield userland


@pytest.fixture(scope="session")
def wheels(bundle: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A layer in which /root/bundle/vedette holds all wheels as well."""
    layer = tmp_path_factory.mktemp("wheels")
    with tarfile.open(bundle(f"{SUITE}-{ARCHITECTURE}")) as archive:
        archive.extractall(layer / "root" / "bundle", filter="data")
    return layer


@pytest.fixture
def pi(
    system: Path, unpacked: Path, wheels: Path, installation: tuple[Path, str], tmp_path: Path
) -> Iterator[Userland]:
    """A system on which Vedette was installed and runs, and that has no network any more."""
    layers = [system, unpacked, wheels, installation[0]]
    with Userland(layers, tmp_path / "userland", network=False) as userland:
        userland.run("systemctl", "start", "vedette")
        # Two processes: the settings were read, and the camera is being opened.
        waiting = "until [ $(pgrep -c --euid vedette) -ge 2 ]; do sleep 0.1; done"
        userland.run("sh", "-c", waiting)
        yield userland
