"""systemd's watchdog: only finished work feeds it, and in each state there is some."""

import time
from collections.abc import Iterator

import pytest
from tests.systemd.conftest import Create
from tests.systemd.machine import Machine, wait_until
from tests.systemd.service import Service

WATCHDOG_S = 3
DROP_IN = f"WatchdogSec={WATCHDOG_S}\nTimeoutAbortSec=1\nRestartSec=100ms\n"
STATES: dict[str, dict[str, object]] = {
    "opening": {"camera": "http://127.0.0.1:8001/silent"},
    "lost": {"camera": "http://127.0.0.1:9/stream"},
    "delivering": {},
    "following": {"camera": "/srv/followed", "follow": True},
}
Services = dict[str, Service]


@pytest.fixture(scope="module")
def services(machine: Machine) -> Iterator[Services]:
    """A service in each state, for three times as long as the watchdog waits."""
    machine.path("/srv/followed").mkdir()
    services = {state: Service(machine, state) for state in STATES}
    for state, service in services.items():
        # Of its own: a directory goes with a service, also while another one is being started.
        service.change_unit("test", f"{DROP_IN}RuntimeDirectory=\nRuntimeDirectory={state}\n")
        service.configure(**STATES[state])
    machine.require("systemctl", "daemon-reload")
    machine.require("systemctl", "start", *services)
    services["lost"].wait("camera_lost")
    services["delivering"].wait("change")
    time.sleep(3 * WATCHDOG_S)
    yield services
    machine.require("systemctl", "stop", *services)


@pytest.fixture(scope="module")
def stopped(machine: Machine, services: Services) -> dict[str, str]:
    """The numbers of restarts before the services were stopped by SIGSTOP, which lets none work."""
    before = {state: service.show("NRestarts") for state, service in services.items()}
    machine.require("systemctl", "kill", "--kill-whom=main", "--signal=SIGSTOP", *services)
    return before


@pytest.mark.parametrize("state", STATES)
def test_a_watch_that_works_is_never_restarted(services: Services, state: str) -> None:
    service = services[state]
    assert service.show("WatchdogUSec") == f"{WATCHDOG_S}s"
    assert (service.show("NRestarts"), service.show("ActiveState")) == ("0", "active")


@pytest.mark.parametrize("state", STATES)
def test_a_watch_that_hangs_is_restarted(
    services: Services, stopped: dict[str, str], state: str
) -> None:
    service = services[state]
    service.wait_for("NRestarts", str(int(stopped[state]) + 1))
    service.wait_for_message("Watchdog timeout")
    service.wait_for("ActiveState", "active")
    if state != "following":  # a folder's log contains frames alone
        service.wait("start", 2)
        assert not service.records("stop")


def test_a_start_that_hangs_is_restarted(machine: Machine, create: Create) -> None:
    service = create("TimeoutStartSec=3\nTimeoutStopSec=1\nRestartSec=100ms\n")
    service.control("start", "--no-block")
    service.wait_for("SubState", "start")
    service.control("kill", "--kill-whom=main", "--signal=SIGSTOP")
    assert service.show("ActiveState") == "activating"
    service.wait_for_message("start operation timed out")
    wait_until(lambda: service.show("NRestarts") != "0", service.explain)


def test_the_times_are_those_that_the_table_lists(machine: Machine) -> None:
    vedette = Service(machine)
    names = ("WatchdogUSec", "TimeoutStartUSec", "RestartUSec", "StartLimitIntervalUSec")
    assert [vedette.show(name) for name in names] == ["2min", "3min", "10s", "0"]
