"""Do the packages fit each other? Each in its own right may be as it should.

None is imported before it is asked: one that is broken is a finding, not the end.
"""

import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module, metadata

from vedette_edge.doctor import FAULT, OK, WARNING, Finding
from vedette_edge.errors import RuntimeMissingError

OPENCVS = (
    "opencv-python",
    "opencv-python-headless",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
)
BROKEN = "import"  # the subject of what cannot even be imported: then no model can be looked at
IMPORT_S = 60.0  # how long picamera2 may take: on a Pi Zero it is slow
INSTALLED = "/opt/vedette/"  # by install.sh, and nothing by hand: that keeps to what was tested
# Bookworm's Python has numpy 1 from apt, which others were built for; later ones have numpy 2.
NUMPY = "'numpy<2' " * (sys.version_info < (3, 12))
OPENCV = "'opencv-python-headless<4.12'" if NUMPY else "opencv-python-headless"
_APT = "sudo apt install --no-install-recommends"
_PICAMERA2 = f"{_APT} python3-picamera2"
_FROM_APT = f"{_APT} --reinstall python3-numpy python3-opencv"  # pip has none for 32 bits


def check_packages(source: str) -> Iterator[Finding]:
    """Interpreter, numpy and OpenCV; and picamera2, if it is to be the camera."""
    broken = [*_broken()]
    yield from broken or [_interpreter()]
    yield from _opencv()
    if source.startswith("picamera2"):
        yield _picamera2()


def suggest_reinstall() -> str:
    """The command after which samples should come out as they did where the model was made."""
    if _is_32_bit():
        return _FROM_APT
    again = _pip(f"install --force-reinstall {NUMPY}{OPENCV} ai-edge-litert")
    return f"{again}  # no better then: another processor, see docs/supported.md"


def _broken() -> Iterator[Finding]:
    """The first of numpy and OpenCV that cannot be imported; the others need it."""
    for module in ("numpy", "cv2"):
        try:
            import_module(module)
        except (ImportError, AttributeError, RuntimeError):
            said = _refusal(module)  # of a fresh process: OpenCV says why it fails only once
            found = f"{module} cannot be imported, so no model can be looked at: {said}"
            yield Finding(BROKEN, FAULT, found, _mend_broken(module, said))
            return


def _mend_broken(module: str, said: str) -> str:
    there = _opencvs()
    if "shared object" in said and there:  # as libGL.so.1, which a Pi without a desktop has not
        return _headless_alone(there)
    if module == "cv2" and "numpy" in said and _hides_apt("numpy"):
        return _pip("uninstall -y numpy  # apt's own is the one that OpenCV was built for")
    return _FROM_APT if _is_32_bit() else _pip(f"install --upgrade {NUMPY}{OPENCV}")


def _pip(*commands: str) -> str:
    if sys.prefix.startswith(INSTALLED):
        return "install Vedette again: make deploy on a workstation, or install.sh of its archive"
    return "; ".join(f"{sys.prefix}/bin/pip {command}" for command in commands)


def _interpreter() -> Finding:
    import numpy as np

    from vedette_edge.model import interpreter

    try:
        name = interpreter.find_runtime().name
    except RuntimeMissingError as error:
        runtime = "tflite-runtime" if _is_32_bit() else f"{NUMPY}ai-edge-litert"
        return Finding("runtime", FAULT, str(error), _pip(f"install {runtime}"))
    found = f"{name}, numpy {np.__version__}"
    if name.startswith("tflite-runtime") and int(np.__version__.split(".")[0]) >= 2:
        mend = _pip("install 'numpy<2' 'opencv-python-headless<4.12'")
        return Finding("runtime", FAULT, f"{found}: it needs numpy before 2", mend)
    return Finding("runtime", OK, f"{found}, Python {sys.version.split()[0]}")


def _opencv() -> Iterator[Finding]:
    there = _opencvs()
    found = ", ".join(f"{name} {_version(name)}" for name in there)
    if len(there) > 1:
        both = f"{found}: they own the same files"
        yield Finding("opencv", WARNING, both, _headless_alone(there))
    elif "cv2" in sys.modules:
        yield Finding("opencv", OK, found or f"OpenCV {sys.modules['cv2'].__version__}")


def _opencvs() -> list[str]:
    return [name for name in OPENCVS if _version(name)]


def _headless_alone(there: list[str]) -> str:
    return _pip(f"uninstall -y {' '.join(there)}", f"install {OPENCV}")


def _picamera2() -> Finding:
    if said := _refusal("picamera2"):
        return Finding("picamera2", FAULT, said, _mend_picamera2(said))
    return Finding("picamera2", OK, _version("picamera2") or "of unknown version")


def _refusal(module: str) -> str:
    """Why a process of its own, which may hang or die, cannot import a module; empty if it can."""
    command = [sys.executable, "-c", f"import {module}"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=IMPORT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return f"its import does not end in {IMPORT_S:.0f} s"
    last = (done.stderr.strip().splitlines() or [f"its import ends with {done.returncode}"])[-1]
    return last if done.returncode else ""


def _mend_picamera2(said: str) -> str:
    if "size changed" in said or "_ARRAY_API" in said:  # built for another numpy
        return _pip("uninstall -y numpy  # apt's own is the one that picamera2 was built for")
    if "No module named" in said and not _sees_system():
        return f"{_PICAMERA2}; python3 -m venv --upgrade --system-site-packages {sys.prefix}"
    return _PICAMERA2


def _sees_system() -> bool:
    """Whether apt's packages are on the path."""
    return any(place.endswith("dist-packages") for place in sys.path)


def _hides_apt(module: str) -> bool:
    """Whether a module is pip's, where apt's may be seen instead."""
    return _sees_system() and "dist-packages" not in str(sys.modules[module].__file__)


def _is_32_bit() -> bool:
    """For 32-bit Arm there are no wheels of numpy, OpenCV and LiteRT."""
    return sys.maxsize < 2**32


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""
