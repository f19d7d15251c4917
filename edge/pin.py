"""Write the wheels' hashes into constraints-*.txt: python edge/pin.py, after a version changes.

pip chooses each wheel as the systems of the file would, but installs and keeps nothing. On 32 bits
numpy has no hash, as it comes from apt alone.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
BOTH = ("aarch64", "x86_64")
# Python, the newest glibc that the wheels may need, and the machines.
SYSTEMS = {
    "constraints-bookworm.txt": ("3.11", 36, BOTH),
    "constraints-bookworm-tflite.txt": ("3.11", 36, BOTH),
    "constraints-bookworm-armv7l.txt": ("3.11", 36, ("armv7l",)),
    "constraints-trixie.txt": ("3.13", 41, BOTH),
    "constraints-build.txt": ("3.11", 36, ("any",)),
}


def normal(name: str) -> str:
    return re.sub("[._-]+", "-", name).lower()


def find_hashes(pins: list[str], python: str, glibc: int, machine: str) -> dict[str, str]:
    """The SHA-256 of each package's wheel for one system, by the package's normal name."""
    tags = [f"manylinux_2_{minor}_{machine}" for minor in range(17, glibc + 1)]
    tags += [f"manylinux2014_{machine}", f"linux_{machine}"]
    choose = ["--python-version", python, *(f"--platform={tag}" for tag in tags)]
    look = "--quiet --dry-run --ignore-installed --no-deps --only-binary :all: --report -".split()
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "install", "--target", folder, *look, *choose, *pins]
        done = subprocess.run(pip, check=True, stdout=subprocess.PIPE)
    hashes = {}
    for wheel in json.loads(done.stdout)["install"]:
        archive = wheel["download_info"]["archive_info"]
        hashes[normal(wheel["metadata"]["name"])] = archive["hashes"]["sha256"]
    return hashes


def pin(path: Path, python: str, glibc: int, machines: tuple[str, ...]) -> None:
    """Write a file again: its comments, its pins, and below each pin its hashes."""
    lines = re.sub(r" \\\n +--hash=\S+", "", path.read_text("utf-8")).splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    if machines == ("armv7l",):
        pins = [line for line in pins if not line.startswith("numpy==")]
    found = [find_hashes(pins, python, glibc, machine) for machine in machines]
    text = ""
    for line in lines:
        name = normal(line.partition("==")[0])
        hashes = sorted({wheels[name] for wheels in found if name in wheels})
        text += "".join([line, *(f" \\\n    --hash=sha256:{one}" for one in hashes), "\n"])
    path.write_text(text, "utf-8")


if __name__ == "__main__":
    for name, system in SYSTEMS.items():
        pin(HERE / name, *system)
