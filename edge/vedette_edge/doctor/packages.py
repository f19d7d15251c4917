"""Do the packages fit each other? Each in its own right may be as it should."""

import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata

import cv2
import numpy as np

from vedette_edge import interpreter
from vedette_edge.doctor import FAULT, OK, WARNING, Finding
from vedette_edge.errors import RuntimeMissingError

OPENCVS = (
    "opencv-python",
    "opencv-python-headless",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
)
IMPORT_S = 60.0  # how long picamera2 may take: on a Pi Zero it is slow
PIP = f"{sys.prefix}/bin/pip"
_APT = "sudo apt install --no-install-recommends python3-picamera2"


def packages(source: str) -> Iterator[Finding]:
    """Interpreter, numpy and OpenCV; and picamera2, if it is to be the camera."""
    yield _interpreter()
    yield _opencv()
    if source.startswith("picamera2"):
        yield _picamera2()


def _interpreter() -> Finding:
    try:
        name = interpreter.installed().name
    except RuntimeMissingError as error:
        return Finding("runtime", FAULT, str(error), f"{PIP} install ai-edge-litert 'numpy<2'")
    found = f"{name}, numpy {np.__version__}"
    if name.startswith("tflite-runtime") and int(np.__version__.split(".")[0]) >= 2:
        mend = f"{PIP} install 'numpy<2' 'opencv-python-headless<4.12'"
        return Finding("runtime", FAULT, f"{found}: it needs numpy before 2", mend)
    return Finding("runtime", OK, f"{found}, Python {sys.version.split()[0]}")


def _opencv() -> Finding:
    there = [name for name in OPENCVS if _version(name)]
    found = ", ".join(f"{name} {_version(name)}" for name in there) or f"OpenCV {cv2.__version__}"
    if len(there) > 1:
        mend = f"{PIP} uninstall {' '.join(there)}; {PIP} install opencv-python-headless"
        return Finding("opencv", WARNING, f"{found}: they own the same files", mend)
    return Finding("opencv", OK, found)


def _picamera2() -> Finding:
    """Imported by a process of its own: libcamera may hang or end it."""
    command = [sys.executable, "-c", "import picamera2; print(picamera2.__file__)"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=IMPORT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return Finding("picamera2", FAULT, f"its import does not end in {IMPORT_S:.0f} s", _APT)
    if done.returncode == 0:
        return Finding("picamera2", OK, _version("picamera2") or done.stdout.strip())
    said = (done.stderr.strip().splitlines() or [f"its import ends with {done.returncode}"])[-1]
    return Finding("picamera2", FAULT, said, _mend_import(said))


def _mend_import(said: str) -> str:
    if "size changed" in said or "_ARRAY_API" in said:  # built for another numpy
        return f"{PIP} uninstall numpy  # apt's own is the one that picamera2 was built for"
    if "No module named" in said and not _sees_system():
        return f"{_APT}; python3 -m venv --upgrade --system-site-packages {sys.prefix}"
    return _APT


def _sees_system() -> bool:
    """Whether apt's packages are on the path."""
    return any(place.endswith("dist-packages") for place in sys.path)


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""
