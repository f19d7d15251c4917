"""A broker, Home Assistants that know it, and a device of ours."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.home_assistant.broker import Broker, free_port
from tests.home_assistant.client import Entity, HomeAssistant
from tests.home_assistant.device import WHOLE_FRAME, Device
from tests.home_assistant.systems import RELEASES, Release, install_home_assistant
from tests.install.userland import LackingError, Userland

# For each entity that is disabled when its device is removed, 2026.2.3 publishes the same removal
# again, and warns of its own message.
REMOVED_AGAIN = "No device components to cleanup"


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    program = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    if not program:
        pytest.skip("needs mosquitto: apt install mosquitto")
    with Broker(program, tmp_path_factory.mktemp("broker")) as broker:
        yield broker


@pytest.fixture(scope="session", params=RELEASES, ids=lambda release: release.version)
def hub(
    request: pytest.FixtureRequest, broker: Broker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[HomeAssistant]:
    """Home Assistant, started, and connected with the broker."""
    release: Release = request.param
    folder: Path = tmp_path_factory.mktemp(release.version)
    try:
        layers = install_home_assistant(release)
    except LackingError as lacking:
        pytest.skip(str(lacking))
    with (
        Userland(layers, folder / "userland") as userland,
        HomeAssistant(userland, broker.port, free_port(), folder / "log") as hub,
    ):
        assert hub.version == release.version
        print(f"{hub.version} runs after {hub.started_s:.1f} s, {hub.memory_mb} MB")  # noqa: T201
        yield hub


def count_listening(entities: dict[str, Entity]) -> int:
    """Count the entities that are ready for an event. One that comes earlier is lost."""
    changes = [entity for key, entity in entities.items() if key.endswith("change")]
    return sum(entity.state not in (None, "unavailable") for entity in changes)


@pytest.fixture
def watch(request: pytest.FixtureRequest, broker: Broker, hub: HomeAssistant) -> Iterator[Device]:
    """A device that is discovered, and removed at the end. Of all that, nothing is warned of.

    A parameter, if there is one, is its regions.
    """
    hub.take_warnings()
    with Device(broker.port, getattr(request, "param", WHOLE_FRAME)) as device:
        hub.wait(lambda entities: count_listening(entities) == len(device.regions))
        yield device
        device.remove()
        hub.wait(lambda entities: not entities)
    assert [line for line in hub.take_warnings() if REMOVED_AGAIN not in line] == []
