"""A boot while the camera is absent, its return, and reloads."""

from collections.abc import Iterator

import pytest
from tests.systemd.conftest import booted
from tests.systemd.machine import Machine
from tests.systemd.service import Service


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine of its own, just booted, for tests that follow each other."""
    with booted(tmp_path_factory.mktemp("boot") / "machine") as machine:
        yield machine


@pytest.fixture(scope="module")
def vedette(machine: Machine) -> Service:
    """The service, whose camera is lost until a test starts it."""
    vedette = Service(machine)
    vedette.wait("camera_lost")
    return vedette


def reload(vedette: Service, **settings: object) -> None:
    """Reload with these settings; wait until they are in use."""
    pid, starts = vedette.show("MainPID"), len(vedette.records("start"))
    vedette.configure(**settings)
    vedette.control("reload")
    vedette.wait("start", starts + 1)
    assert (vedette.show("MainPID"), vedette.show("NRestarts")) == (pid, "0")
    assert vedette.show("ActiveState") == "active"


def test_neither_the_boot_nor_systemctl_waits_for_a_camera(
    machine: Machine, vedette: Service
) -> None:
    assert vedette.show("UnitFileState") == "enabled"
    assert vedette.show("ActiveState") == "active"
    assert machine.require("systemctl", "is-system-running", "--wait") == "running\n"
    assert machine.require("systemctl", "list-jobs") == "No jobs running.\n"
    vedette.control("start")
    assert vedette.show("StatusText").startswith("camera lost: http://127.0.0.1:8000")
    assert [one["event"] for one in vedette.records()] == ["start", "camera_lost"]


def test_a_reload_returns_though_the_camera_is_lost(vedette: Service) -> None:
    reload(vedette, dwell=2.5)
    vedette.wait("camera_lost", 2)


def test_a_camera_that_appears_is_restored_once_and_the_status_shows_its_label(
    machine: Machine, vedette: Service
) -> None:
    losses = len(vedette.records("camera_lost"))
    machine.require("systemctl", "start", "camera@8000")
    assert vedette.wait("camera_restored")["lost_s"] > 0
    vedette.wait_for("StatusText", "red (1.00)")
    counts = [len(vedette.records(event)) for event in ("camera_lost", "camera_restored")]
    assert counts == [losses, 1]
    assert vedette.show("NRestarts") == "0"


def test_a_reload_uses_new_settings_while_the_camera_delivers(
    machine: Machine, vedette: Service
) -> None:
    machine.require("systemctl", "start", "camera@8000")
    reload(vedette, dwell=1.5)
    assert vedette.records("start")[-1]["settings"]["dwell"] == 1.5
    vedette.wait_for("StatusText", "red (1.00)")


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"dwel": 1.0, "dwell": "long"}, ["dwel", "long"]),
        ({"model": "/etc/vedette/missing.tflite"}, ["missing.tflite"]),
        ({"camera": "/srv/missing"}, ["/srv/missing"]),
    ],
)
def test_a_reload_with_a_wrong_file_changes_nothing_and_names_what_is_wrong(
    vedette: Service, wrong: dict[str, object], named: list[str]
) -> None:
    pid, records = vedette.show("MainPID"), len(vedette.records("start", "stop"))
    vedette.configure(**wrong)
    vedette.control("reload")
    for words in (*named, "The watch continues unchanged"):
        vedette.wait_for_message(words)
    assert (vedette.show("MainPID"), vedette.show("NRestarts")) == (pid, "0")
    assert len(vedette.records("start", "stop")) == records
