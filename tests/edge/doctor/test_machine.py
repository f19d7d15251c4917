"""Clock, power, access to cameras, and the service."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from vedette_edge.doctor import FAULT, OK, WARNING
from vedette_edge.doctor.machine import (
    check_access,
    check_clock,
    check_machine,
    check_memory_limit,
    check_power,
    check_service,
)
from vedette_edge.host.raspberry_pi import Health

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def test_a_clock_that_is_not_set_is_a_warning() -> None:
    assert check_clock(NOW, "yes").level == OK
    assert check_clock(NOW, "").level == OK
    assert check_clock(NOW, "no").level == WARNING
    unset = check_clock(datetime(1970, 1, 1, 0, 5, tzinfo=UTC), "no")
    assert unset.level == WARNING
    assert unset.fix.startswith("sudo timedatectl set-ntp true")


def test_a_program_that_prints_no_text_is_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "timedatectl").write_bytes(b"#!/bin/sh\necho '\xff'\n")
    (tmp_path / "timedatectl").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert next(check_machine("")).subject == "clock"


def test_under_voltage_is_a_warning_with_its_fix() -> None:
    assert list(check_power(Health(None), "")) == []
    (cool,) = check_power(Health(51.0), "throttled=0x0")
    assert (cool.subject, cool.level) == ("heat", OK)
    (now,) = check_power(Health(None, now=("under-voltage",)), "")
    assert (now.level, now.detail) == (WARNING, "under-voltage now")
    assert "power supply" in now.fix
    (before,) = check_power(Health(None), "throttled=0x40000")  # from vcgencmd, without /sys
    assert (before.level, before.detail) == (WARNING, "throttled since it started")
    (hot,) = check_power(Health(84.0), "")
    assert (hot.subject, hot.level) == ("heat", WARNING)


def test_a_camera_that_the_user_may_not_open_names_the_group(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    device = Path("/dev/video7")
    monkeypatch.setattr(Path, "glob", lambda _, pattern: [device] if pattern == "video7" else [])
    monkeypatch.setattr(os, "access", lambda *_: False)
    (denied,) = check_access("/dev/video7")
    assert (denied.level, denied.fix.split()[:4]) == (FAULT, ["sudo", "usermod", "-aG", "video"])
    monkeypatch.setattr(os, "access", lambda *_: True)
    (allowed,) = check_access("v4l2:7")
    assert allowed.level == OK
    assert list(check_access("rtsp://camera")) == []


def test_a_service_that_does_not_run_is_a_warning() -> None:
    assert check_service("active").level == OK
    failed = check_service("failed")
    assert failed.level == WARNING
    assert "systemctl restart vedette" in failed.fix


def test_a_kernel_that_limits_no_memory_is_a_warning() -> None:
    unit = (Path(__file__).parents[3] / "edge" / "vedette.service").read_text("utf-8")
    assert list(check_memory_limit(unit, "cpuset cpu io memory pids")) == []
    (unlimited,) = check_memory_limit(unit, "cpuset cpu io pids")
    assert (unlimited.subject, unlimited.level) == ("limits", WARNING)
