"""Machines with the service installed, and services on them."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

import pytest
from tests.systemd.machine import LackingError, Machine, install
from tests.systemd.opened import open_everything
from tests.systemd.service import Service

Create = Callable[..., Service]
numbers = count(1)


@contextmanager
def booted(folder: Path) -> Iterator[Machine]:
    """Boot a machine with the service enabled, whose camera is absent."""
    with ExitStack() as stack:
        try:
            machine = stack.enter_context(Machine(folder))
        except LackingError as lacking:
            pytest.skip(str(lacking))
        install(machine)
        Service(machine).configure()
        machine.boot()
        yield machine


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine for many tests: each has a service of its own, and the camera works."""
    with booted(tmp_path_factory.mktemp("systemd") / "machine") as machine:
        Service(machine).wait("camera_lost")
        machine.require("systemctl", "stop", "vedette")
        machine.require("systemctl", "start", "camera@8000", "camera@8001")
        yield machine


@pytest.fixture(scope="session")
def opened(machine: Machine) -> Machine:
    """The same machine, with folders, files and devices that are open to everybody."""
    open_everything(machine)
    return machine


@pytest.fixture
def create(machine: Machine) -> Iterator[Create]:
    """Creates services, each from a copy of the unit: `create(drop_in, **settings)`."""
    services = []

    def create_service(drop_in: str = "", **settings: object) -> Service:
        services.append(service := Service(machine, f"vedette-{next(numbers)}"))
        service.change_unit("test", drop_in)
        service.configure(**settings)
        service.control("enable", "--quiet")  # systemd forgets how another unit ended
        return service

    yield create_service
    for service in services:
        service.control("stop")
