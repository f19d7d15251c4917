"""A broker, Home Assistants that know it, and a watch of ours."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.edge.conftest import contract, model, repacked  # noqa: F401
from tests.edge.mosquitto import MOSQUITTO, Mosquitto
from tests.home_assistant.client import Entity, HomeAssistant, free_port
from tests.home_assistant.systems import RELEASES, Release, install_home_assistant
from tests.home_assistant.watch import Watch
from tests.install.userland import LackingError, Userland


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """A broker that forgets all when it ends."""
    if not MOSQUITTO:
        pytest.skip("needs mosquitto: apt install mosquitto mosquitto-clients")
    broker = Mosquitto(tmp_path_factory.mktemp("broker"), "persistence false")
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture(scope="session", params=RELEASES, ids=lambda release: release.version)
def hub(
    request: pytest.FixtureRequest, broker: Mosquitto, tmp_path_factory: pytest.TempPathFactory
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


def is_ready(entities: dict[str, Entity]) -> bool:
    """True if there is a label, and Home Assistant listens to events. Earlier ones are lost."""
    states = {key: entity.state for key, entity in entities.items()}
    changes = [state for key, state in states.items() if key.endswith("change")]
    labels = [state for key, state in states.items() if key.endswith("label")]
    missing = (None, "unavailable")
    return bool(labels) and not {*missing, "unknown"} & {*labels} and not {*missing} & {*changes}


@pytest.fixture(scope="session")
def long_watch(
    broker: Mosquitto,
    hub: HomeAssistant,
    model: Path,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Watch]:
    """A watch that goes through all that befalls it, and is removed at the end."""
    watch = Watch(broker.port, model, tmp_path_factory.mktemp("watch"))
    yield watch
    watch.stop()
    watch.remove()
    hub.wait(lambda entities: not entities)


@pytest.fixture
def watch(hub: HomeAssistant, long_watch: Watch) -> Iterator[Watch]:
    """A watch of the whole frame. Of all that happens, nothing is warned of."""
    hub.take_warnings()
    long_watch.start()
    hub.wait(is_ready)
    yield long_watch
    assert hub.take_warnings() == []
