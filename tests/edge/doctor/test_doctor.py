"""The doctor finds what is wrong, and says what mends it."""

import getpass
import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner, Result

from vedette_edge.__main__ import main
from vedette_edge.doctor import FAULT, OK, WARNING, Finding
from vedette_edge.doctor.disk import check_card_wear, check_disk
from vedette_edge.doctor.machine import (
    check_access,
    check_clock,
    check_memory_limit,
    check_power,
    check_service,
)
from vedette_edge.doctor.packages import check_packages, suggest_reinstall
from vedette_edge.errors import RuntimeMissingError
from vedette_edge.host.raspberry_pi import Health
from vedette_edge.log.rotation import LogLimits
from vedette_edge.model.interpreter import Runtime, TFLiteModel

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def levels(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(one.subject, one.level) for one in findings]


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["check", *map(str, arguments)])


def test_a_clock_that_is_not_set_is_a_warning() -> None:
    assert check_clock(NOW, "yes").level == OK
    assert check_clock(NOW, "").level == OK
    assert check_clock(NOW, "no").level == WARNING
    unset = check_clock(datetime(1970, 1, 1, 0, 5, tzinfo=UTC), "no")
    assert (unset.level, "not set" in unset.detail) == (WARNING, True)
    assert unset.fix.startswith("sudo timedatectl set-ntp true")


def test_under_voltage_is_a_warning_with_what_mends_it() -> None:
    assert list(check_power(Health(None), "")) == []
    assert levels(list(check_power(Health(51.0), "throttled=0x0"))) == [("heat", OK)]
    (now,) = check_power(Health(None, now=("under-voltage",)), "")
    assert (now.level, now.detail) == (WARNING, "under-voltage now")
    assert "power supply" in now.fix
    (before,) = check_power(
        Health(None), "throttled=0x40000"
    )  # as vcgencmd has it, where /sys has not
    assert (before.level, before.detail) == (WARNING, "throttled since it started")
    assert levels(list(check_power(Health(84.0), ""))) == [("heat", WARNING)]


def test_a_camera_that_the_user_may_not_open_names_the_group(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    device = Path("/dev/video7")
    monkeypatch.setattr(Path, "glob", lambda _, pattern: [device] if pattern == "video7" else [])
    monkeypatch.setattr(os, "access", lambda *_: False)
    (found,) = check_access("/dev/video7")
    assert (found.level, found.fix.split()[:4]) == (FAULT, ["sudo", "usermod", "-aG", "video"])
    monkeypatch.setattr(os, "access", lambda *_: True)
    assert levels(list(check_access("v4l2:7"))) == [("access", OK)]
    assert list(check_access("rtsp://camera")) == []


def test_a_service_is_told_of_where_it_is_installed() -> None:
    assert check_service("active").level == OK
    failed = check_service("failed")
    assert failed.level == WARNING
    assert "systemctl restart vedette" in failed.fix


def test_a_kernel_that_limits_no_memory_is_told_of() -> None:
    unit = (Path(__file__).parents[3] / "edge" / "vedette.service").read_text("utf-8")
    assert list(check_memory_limit(unit, "cpuset cpu io memory pids")) == []
    assert levels(list(check_memory_limit(unit, "cpuset cpu io pids"))) == [("limits", WARNING)]


def test_two_opencvs_are_a_warning_and_a_missing_picamera2_a_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert levels(list(check_packages("")))[0] == ("runtime", OK)
    versions = {"opencv-python": "4.10.0", "opencv-python-headless": "4.11.0"}
    monkeypatch.setattr(metadata, "version", lambda name: versions.get(name, "1.0"))
    found = {one.subject: one for one in check_packages("picamera2")}
    assert found["opencv"].level == WARNING
    assert "uninstall -y opencv-python " in found["opencv"].fix
    if found["picamera2"].level != OK:  # where it is not installed
        assert "apt install --no-install-recommends python3-picamera2" in found["picamera2"].fix


def test_what_was_installed_is_installed_again_and_nothing_put_into_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if sys.maxsize > 2**32:  # else it is apt's
        assert f"{sys.prefix}/bin/pip install --force-reinstall" in suggest_reinstall()
        monkeypatch.setattr(sys, "prefix", "/opt/vedette/3")
        assert suggest_reinstall().startswith("install Vedette again: make deploy")


def test_numpy_2_beside_tflite_runtime_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = SimpleNamespace(name="tflite-runtime 2.14.0")
    monkeypatch.setattr("vedette_edge.model.interpreter.installed", lambda: runtime)
    monkeypatch.setattr(np, "__version__", "2.4.6")
    found = next(check_packages(""))
    assert found.level == FAULT
    assert "install 'numpy<2'" in found.fix
    monkeypatch.setattr(np, "__version__", "1.24.2")
    assert next(check_packages("")).level == OK


@pytest.mark.parametrize(
    ("said", "mend"),
    [
        ("numpy.core.multiarray failed to import", "install --upgrade"),
        ("libGL.so.1: cannot open shared object file", "uninstall -y opencv"),
        ("No module named 'cv2'", "opencv-python-headless"),
    ],
)
def test_an_opencv_that_cannot_be_imported_is_a_fault_and_not_the_end(
    model: Path, tmp_path: Path, said: str, mend: str
) -> None:
    (tmp_path / "cv2.py").write_text(f"raise ImportError({said!r})", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "vedette_edge", "check", model, "--camera", "synthetic", "--json"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    found = json.loads(done.stdout)["findings"]
    assert (done.returncode, found[0]["subject"]) == (1, "import")
    assert said in found[0]["found"]
    if sys.maxsize < 2**32:  # there OpenCV is apt's
        mend = "--reinstall python3-numpy python3-opencv"
    assert mend in found[0]["mend"]
    assert {"model", "camera"}.isdisjoint(one["subject"] for one in found)
    assert done.stderr.startswith("Error: 1 at fault")
    run = [sys.executable, "-m", "vedette_edge", "run", str(model), "--camera", "synthetic"]
    done = subprocess.run(
        run,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.endswith("'vedette check' tells what mends it\n")
    assert len(done.stderr.splitlines()) == 1


def test_a_runtime_that_dies_of_numpy_is_told_of() -> None:
    def interpreter(**_: object) -> None:
        raise SystemError("returned a result with an exception set") from ImportError("numpy")

    with pytest.raises(RuntimeMissingError, match=r"does not fit numpy .*\(numpy\)"):
        TFLiteModel(b"", 1, Runtime(interpreter, "tflite-runtime 2.14.0"))


def test_a_log_that_may_not_be_written_says_who_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr(Path, "owner", lambda _: "root")
    (roots,) = check_disk(tmp_path / "watch.jsonl", LogLimits())
    assert (roots.level, roots.fix) == (FAULT, f"sudo chown {getpass.getuser()} {tmp_path}")
    monkeypatch.setattr(Path, "owner", lambda _: "vedette")
    (services,) = check_disk(tmp_path / "watch.jsonl", LogLimits())
    assert services.fix.startswith(f"sudo -u vedette {sys.executable}")
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_flag=os.ST_RDONLY))
    (failing,) = check_disk(tmp_path / "watch.jsonl", LogLimits())
    assert failing.fix.startswith("sudo mount -o remount,rw /")


def test_a_log_that_is_no_file_or_in_no_folder_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for log in (tmp_path, tmp_path / "file" / "watch.jsonl"):
        (wrong,) = check_disk(log, LogLimits())
        assert (wrong.level, f"{log} is no file" in wrong.detail) == (FAULT, True)


def test_a_disk_without_a_folder_or_room_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "none" / "watch.jsonl"
    assert levels(list(check_disk(log, LogLimits()))) == [("disk", OK)]  # the log makes its folder
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda *_: False)
        (missing,) = check_disk(log, LogLimits())
    assert (missing.level, missing.fix.split()[:3]) == (FAULT, ["sudo", "install", "-d"])
    usage = SimpleNamespace(total=10**10, free=10**6)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    (full,) = check_disk(tmp_path / "watch.jsonl", LogLimits())
    assert (full.level, "0.0 GB free" in full.detail) == (FAULT, True)


def test_a_card_is_worn_by_flushes_more_than_by_bytes(tmp_path: Path) -> None:
    hour = 3600.0
    assert list(check_card_wear(1000, 60, 32 * 10**9, LogLimits())) == []
    (quiet,) = check_card_wear(60 * 180, hour, 32 * 10**9, LogLimits())  # a heartbeat a minute
    assert quiet.level == OK
    assert "grows by 0.3 MB a day, for which about 8 MB are written" in quiet.detail
    (busy,) = check_card_wear(6_000_000, hour, 10**9, LogLimits())  # every frame, on a small card
    assert busy.level == WARNING
    log = tmp_path / "watch.jsonl"
    began = datetime.now(UTC) - timedelta(days=2)
    log.write_text(json.dumps({"time": began.isoformat(), "event": "start"}) + "\n", "utf-8")
    assert levels(list(check_disk(log, LogLimits()))) == [("disk", OK), ("card", OK)]


def test_check_takes_the_service_s_settings(model: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(
        f'model = "{model}"\ncamera = "/dev/video63"\nlog = "{tmp_path}/watch.jsonl"\nfps = 3\n',
        encoding="utf-8",
    )
    result = invoke("--config", config, "--json")
    found = json.loads(result.stdout)
    subjects = {one["subject"]: one["level"] for one in found["findings"]}
    assert (result.exit_code, found["ok"], found["equal"]) == (1, False, True)
    assert (subjects["model"], subjects["disk"], subjects["camera"]) == (OK, OK, FAULT)
    config.write_text(f'model = "{model}"\n', encoding="utf-8")
    assert "camera     " + f"{config} names none" in invoke("--config", config).stdout
    assert "names none" not in invoke("--config", config, "--camera", "").stdout
    config.write_text('camera = "synthetic"\nregion = "door=600,0,100,100"\n', encoding="utf-8")
    assert "region door reaches to 700, 100" in invoke(model, "--config", config).stderr
    config.write_text("camra = 1", encoding="utf-8")
    assert "is 'camera' meant?" in invoke("--config", config).stderr


def test_a_model_that_is_not_there_is_one_fault_among_the_findings(tmp_path: Path) -> None:
    result = invoke(tmp_path / "gone.tflite")
    assert result.exit_code == 1
    assert result.stdout.startswith("fault    model")
    assert "ok       runtime" in result.stdout
    assert "1 at fault. model:" in result.stderr
