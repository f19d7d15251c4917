"""Packages that are missing, broken, or do not fit each other."""

import json
import os
import signal
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from vedette_edge.doctor import FAULT, OK, WARNING
from vedette_edge.doctor.packages import check_packages, suggest_reinstall
from vedette_edge.errors import RuntimeMissingError
from vedette_edge.model.interpreter import Runtime, TFLiteModel


def run_vedette(packages: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command with a folder of packages before all others."""
    path = os.pathsep.join(filter(None, [str(packages), os.environ.get("PYTHONPATH", "")]))
    return subprocess.run(
        [sys.executable, "-m", "vedette_edge", *arguments],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def test_two_opencvs_are_a_warning_and_a_missing_picamera2_a_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runtime = next(check_packages(""))
    assert (runtime.subject, runtime.level) == ("runtime", OK)
    versions = {"opencv-python": "4.10.0", "opencv-python-headless": "4.11.0"}
    monkeypatch.setattr(metadata, "version", lambda name: versions.get(name, "1.0"))
    findings = {finding.subject: finding for finding in check_packages("picamera2")}
    assert findings["opencv"].level == WARNING
    assert "uninstall -y opencv-python " in findings["opencv"].fix
    if findings["picamera2"].level != OK:  # where it is not installed
        assert "apt install --no-install-recommends python3-pica" in findings["picamera2"].fix


def test_nothing_is_installed_into_what_install_sh_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if sys.maxsize > 2**32:  # else the packages come from apt
        assert f"{sys.prefix}/bin/pip install --force-reinstall" in suggest_reinstall()
        monkeypatch.setattr(sys, "prefix", "/opt/vedette/3")
        assert suggest_reinstall().startswith("install Vedette again: make deploy")


def test_numpy_2_beside_tflite_runtime_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = SimpleNamespace(name="tflite-runtime 2.14.0")
    monkeypatch.setattr("vedette_edge.model.interpreter.find_runtime", lambda: runtime)
    monkeypatch.setattr(np, "__version__", "2.4.6")
    finding = next(check_packages(""))
    assert finding.level == FAULT
    assert "install 'numpy<2'" in finding.fix
    monkeypatch.setattr(np, "__version__", "1.24.2")
    assert next(check_packages("")).level == OK


@pytest.mark.parametrize(
    ("module", "error", "fix"),
    [
        ("cv2", "numpy.core.multiarray failed to import", "install --upgrade"),
        ("cv2", "libGL.so.1: cannot open shared object file", "uninstall -y opencv"),
        ("cv2", "No module named 'cv2'", "opencv-python-headless"),
        ("numpy", "No module named 'numpy'", "opencv-python-headless"),
    ],
)
def test_a_package_that_fails_to_import_is_a_fault_and_not_the_end(
    model: Path, tmp_path: Path, module: str, error: str, fix: str
) -> None:
    (tmp_path / f"{module}.py").write_text(f"raise ImportError({error!r})", encoding="utf-8")
    done = run_vedette(tmp_path, "check", model, "--camera", "synthetic", "--json")
    findings = json.loads(done.stdout)["findings"]
    assert (done.returncode, findings[0]["subject"]) == (1, "import")
    assert error in findings[0]["detail"]
    if sys.maxsize < 2**32:  # there OpenCV comes from apt
        fix = "--reinstall python3-numpy python3-opencv"
    assert fix in findings[0]["fix"]
    assert {"model", "camera"}.isdisjoint(finding["subject"] for finding in findings)
    done = run_vedette(tmp_path, "run", model, "--camera", "synthetic")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "vedette check" in line


def test_a_package_in_the_current_folder_is_not_tested(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "picamera2.py").write_text("raise ImportError('from the folder')", "utf-8")
    monkeypatch.chdir(tmp_path)
    (finding,) = [one for one in check_packages("picamera2") if one.subject == "picamera2"]
    assert "from the folder" not in finding.detail


def test_an_import_that_fails_without_an_exit_code_or_text_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that ignores SIGCHLD has no exit codes."""
    script = r"import os; os.write(2, b'\xff broken\n'); os._exit(1)"
    (tmp_path / "picamera2.py").write_text(script, "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        (finding,) = [one for one in check_packages("picamera2") if one.subject == "picamera2"]
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert (finding.level, finding.detail) == (FAULT, "\N{REPLACEMENT CHARACTER} broken")


def test_a_broken_package_is_reported_with_the_settings_of_the_service(
    model: Path, tmp_path: Path
) -> None:
    (tmp_path / "cv2.py").write_text("raise ImportError('broken')", encoding="utf-8")
    config = tmp_path / "config.toml"
    config.write_text(f'model = "{model}"\ncamera = "synthetic"\n', encoding="utf-8")
    done = run_vedette(tmp_path, "check", "--config", config, "--json")
    assert done.returncode == 1
    levels = {one["subject"]: one["level"] for one in json.loads(done.stdout)["findings"]}
    assert levels["import"] == FAULT
    assert {"model", "camera"}.isdisjoint(levels)


def test_a_runtime_that_dies_of_numpy_is_reported() -> None:
    def create_interpreter(**_: object) -> None:
        raise SystemError("returned a result with an exception set") from ImportError("numpy")

    with pytest.raises(RuntimeMissingError, match=r"tflite-runtime 2\.14\.0.*\(numpy\)"):
        TFLiteModel(b"", 1, Runtime(create_interpreter, "tflite-runtime 2.14.0"))
