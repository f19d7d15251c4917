"""A machine to boot and to throw away: this computer's systemd in namespaces of its own.

Needs root, systemd, and a kernel that permits namespaces and overlays. The program and its unit are
where install.sh puts them, and /opt/python is a copy of the Python that runs the tests: the service
can read neither a home folder nor the checkout.
"""

import os
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

import vedette_edge

HERE = Path(__file__).parent
UNIT = HERE.parents[1] / "edge" / "vedette.service"
UNITS, SETTINGS = "/etc/systemd/system", "/etc/vedette"
MODEL = HERE.parent / "edge" / "colours.tflite"
PATH = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"
PATIENCE_S = 60.0  # for what takes a second or two on an idle computer

COMMAND = """#!/opt/vedette/current/bin/python
import sys
from vedette_edge.__main__ import main
sys.exit(main())
"""
# Instance 8000 is the camera of most tests: it is absent until this unit is started.
CAMERA_UNIT = """[Service]
ExecStart=/opt/python/bin/python3 /opt/camera_server.py %i /srv/red.jpg
"""


class LackingError(Exception):
    """Something that this computer does not have."""


class Machine:
    """A system that is prepared when it is entered, and runs from `boot` on."""

    def __init__(self, folder: Path) -> None:
        if os.geteuid() != 0:
            raise LackingError("booting systemd needs root")
        if not Path("/lib/systemd/systemd").exists():
            raise LackingError("needs systemd: apt install systemd")
        folder.mkdir()
        copies = {
            "/opt/python": sys.base_prefix,
            "/opt/packages": sysconfig.get_path("purelib"),
            "/opt/edge": str(Path(vedette_edge.__file__).parents[1]),
        }
        given = (f"{place}={source}" for place, source in copies.items())
        self._command = ["unshare", "--mount", str(HERE / "boot"), str(folder), *given]

    def __enter__(self) -> "Machine":
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout
        self._pid = self._process.stdout.readline().strip()
        if not self._pid:
            raise LackingError(f"no namespaces here: {self._process.communicate()[1].strip()}")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()  # which closes its input

    def path(self, name: str) -> Path:
        """The place of a file of the machine, seen from outside."""
        return Path(f"/proc/{self._pid}/root{name}")

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a command as root; standard error comes with its output."""
        enter = f"nsenter --target {self._pid} --mount --pid --net --root --wd env -i {PATH}"
        return subprocess.run(
            [*enter.split(), *map(str, command)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )

    def write(self, name: str, text: str | bytes) -> None:
        """Write a file that everybody can read, and its folder."""
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())

    def require(self, *command: str | Path) -> str:
        """Run a command that must succeed; return its output."""
        done = self.run(*command)
        assert done.returncode == 0, f"{command}: {done.stdout}"
        return done.stdout

    def boot(self) -> None:
        """Start systemd; return when it accepts commands."""
        self.path("/run/boot").write_text("now\n", "utf-8")
        wait_until(lambda: self.run("systemctl", "list-jobs").returncode == 0)


def wait_until(condition: Callable[[], object], said: Callable[[], object] = str) -> None:
    """Wait until a condition is true. Fails with what `said` returns."""
    limit_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < limit_s, said()
        time.sleep(0.05)


def install(machine: Machine) -> None:
    """Install the program, its user, its unit and a camera, as install.sh and a network would."""
    for command in (
        "useradd --system --user-group --groups video vedette",
        "/opt/python/bin/python3 -m venv --without-pip /opt/vedette/1",
        "ln -s 1 /opt/vedette/current",
        "mkdir -p /etc/systemd/system/multi-user.target.wants",
        f"ln -s {UNITS}/vedette.service {UNITS}/multi-user.target.wants/",
    ):
        machine.require(*command.split())
    # The service sees no home folders, in which the library of that Python may lie.
    machine.write("/etc/ld.so.conf.d/000-python.conf", "/opt/python/lib\n")
    machine.require("ldconfig")
    packages = next(machine.path("/opt/vedette/1/lib").glob("python3*/site-packages"))
    (packages / "vedette.pth").write_text("/opt/edge\n/opt/packages\n", "utf-8")
    machine.write("/opt/vedette/1/bin/vedette", COMMAND)
    machine.path("/opt/vedette/1/bin/vedette").chmod(0o755)
    machine.write(f"{SETTINGS}/model.tflite", MODEL.read_bytes())
    machine.write(f"{UNITS}/camera@.service", CAMERA_UNIT)
    machine.write("/opt/camera_server.py", (HERE / "camera_server.py").read_bytes())
    red = np.full((48, 64, 3), (0, 0, 220), np.uint8)
    machine.write("/srv/red.jpg", cv2.imencode(".jpg", red)[1].tobytes())
    # Python compiles what the service, which writes nothing there, then imports.
    machine.require("/opt/vedette/current/bin/vedette", "check", f"{SETTINGS}/model.tflite")
