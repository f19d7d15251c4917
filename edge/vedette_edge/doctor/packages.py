"""Checks of the Python packages: each may be installed well and still not fit the others.

The checks import a package only to test it: one that is broken gives a finding and no crash.
"""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module, metadata

from vedette_edge.doctor import FAULT, OK, WARNING, Finding
from vedette_edge.errors import RuntimeMissingError

OPENCVS = (
    "opencv-python",
    "opencv-python-headless",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
)
BROKEN = "import"  # subject of a package that fails to import: then no model can be checked
IMPORT_ERRORS = (ImportError, AttributeError, RuntimeError)  # of numpy or OpenCV, if broken
IMPORTED = "imported"  # printed after an import that worked
IMPORT_S = 60.0  # time limit for importing picamera2, which is slow on a Pi Zero
INSTALLED = "/opt/vedette/"  # by install.sh, which pins the tested versions: install nothing there
IS_32_BIT = sys.maxsize < 2**32  # true on 32-bit Arm, where numpy, OpenCV and LiteRT have no wheels
# Bookworm's apt has numpy 1, for which its other packages were built; later systems have numpy 2.
NUMPY = "'numpy<2' " * (sys.version_info < (3, 12))
OPENCV = "'opencv-python-headless<4.12'" if NUMPY else "opencv-python-headless"
_APT = "sudo apt install --no-install-recommends"
_APT_PICAMERA2 = f"{_APT} python3-picamera2"
_APT_NUMPY = f"{_APT} --reinstall python3-numpy python3-opencv"  # pip has no 32-bit wheels


def check_packages(source: str) -> Iterator[Finding]:
    """Check interpreter, numpy and OpenCV, and picamera2 if `source` is such a camera."""
    broken = list(_check_imports())
    yield from broken or [_check_runtime()]
    yield from _check_opencv()
    if source.startswith("picamera2"):
        yield _check_picamera2()


def is_broken(findings: Sequence[Finding]) -> bool:
    """True if a package that every model needs fails to import."""
    return any(finding.subject == BROKEN for finding in findings)


def suggest_reinstall() -> str:
    """Suggest a command after which samples should come out as at conversion."""
    if IS_32_BIT:
        return _APT_NUMPY
    command = _format_pip(f"install --force-reinstall {NUMPY}{OPENCV} ai-edge-litert")
    return f"{command}  # if that does not help: another processor, see docs/supported.md"


def _check_imports() -> Iterator[Finding]:
    """Report the first of numpy and OpenCV that fails to import; the others need it."""
    for module in ("numpy", "cv2"):
        try:
            import_module(module)
        except IMPORT_ERRORS:
            error = _find_import_error(module)  # OpenCV gives its reason once per process
            detail = f"cannot import {module}, so no model can be checked: {error}"
            yield Finding(BROKEN, FAULT, detail, _suggest_import_fix(module, error))
            return


def _suggest_import_fix(module: str, error: str) -> str:
    opencvs = _find_opencvs()
    if "shared object" in error and opencvs:  # such as libGL.so.1, missing without a desktop
        return _suggest_headless(opencvs)
    if module == "cv2" and "numpy" in error and _hides_apt_numpy():
        return _format_pip("uninstall -y numpy  # OpenCV was built for the numpy from apt")
    return _APT_NUMPY if IS_32_BIT else _format_pip(f"install --upgrade {NUMPY}{OPENCV}")


def _format_pip(*commands: str) -> str:
    if sys.prefix.startswith(INSTALLED):
        return "install Vedette again: make deploy on a workstation, or install.sh of its archive"
    return "; ".join(f"{sys.prefix}/bin/pip {command}" for command in commands)


def _check_runtime() -> Finding:
    import numpy as np  # may be broken

    from vedette_edge.model.interpreter import find_runtime  # imports numpy

    try:
        name = find_runtime().name
    except RuntimeMissingError as error:
        runtime = "tflite-runtime" if IS_32_BIT else f"{NUMPY}ai-edge-litert"
        return Finding("runtime", FAULT, str(error), _format_pip(f"install {runtime}"))
    detail = f"{name}, numpy {np.__version__}"
    if name.startswith("tflite-runtime") and int(np.__version__.split(".")[0]) >= 2:
        fix = _format_pip("install 'numpy<2' 'opencv-python-headless<4.12'")
        return Finding("runtime", FAULT, f"{detail}: it needs numpy 1", fix)
    return Finding("runtime", OK, f"{detail}, Python {sys.version.split()[0]}")


def _check_opencv() -> Iterator[Finding]:
    names = _find_opencvs()
    detail = ", ".join(f"{name} {_find_version(name)}" for name in names)
    if len(names) > 1:
        detail += ": they share the same files"
        yield Finding("opencv", WARNING, detail, _suggest_headless(names))
    elif "cv2" in sys.modules:
        yield Finding("opencv", OK, detail or f"OpenCV {sys.modules['cv2'].__version__}")


def _find_opencvs() -> list[str]:
    return [name for name in OPENCVS if _find_version(name)]


def _suggest_headless(installed: list[str]) -> str:
    return _format_pip(f"uninstall -y {' '.join(installed)}", f"install {OPENCV}")


def _check_picamera2() -> Finding:
    if error := _find_import_error("picamera2"):
        return Finding("picamera2", FAULT, error, _suggest_picamera2_fix(error))
    return Finding("picamera2", OK, _find_version("picamera2") or "unknown version")


def _find_import_error(module: str) -> str:
    """Import a module in a new process, which may hang or crash. Empty if it works."""
    # An exit code is lost where a program ignores SIGCHLD.
    command = [sys.executable, "-P", "-c", f"import {module}; print({IMPORTED!r})"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=IMPORT_S
        )
    except subprocess.TimeoutExpired:
        return f"the import takes longer than {IMPORT_S:.0f} s"
    lines = done.stderr.strip().splitlines() or [f"the import ends with code {done.returncode}"]
    return "" if done.stdout.endswith(f"{IMPORTED}\n") and not done.returncode else lines[-1]


def _suggest_picamera2_fix(error: str) -> str:
    if "size changed" in error or "_ARRAY_API" in error:  # built for another numpy
        return _format_pip("uninstall -y numpy  # picamera2 was built for the numpy from apt")
    if "No module named" in error and not _sees_apt():
        return f"{_APT_PICAMERA2}; python3 -m venv --upgrade --system-site-packages {sys.prefix}"
    return _APT_PICAMERA2


def _sees_apt() -> bool:
    """True if packages from apt are on the path."""
    return any(folder.endswith("dist-packages") for folder in sys.path)


def _hides_apt_numpy() -> bool:
    """True if numpy comes from pip although the one from apt may be used."""
    return _sees_apt() and "dist-packages" not in str(sys.modules["numpy"].__file__)


def _find_version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""
