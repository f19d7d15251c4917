"""A device of ours in a real Node-RED."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.home_assistant.broker import Broker, free_port
from tests.home_assistant.device import Device
from tests.home_assistant.node_red import NodeRed
from tests.home_assistant.systems import install_node_red
from tests.install.userland import LackingError, Userland

pytestmark = pytest.mark.timeout(900)  # of which installing Node-RED takes the most


@pytest.fixture
def node_red(broker: Broker, tmp_path: Path) -> Iterator[NodeRed]:
    try:
        layers = install_node_red()
    except LackingError as lacking:
        pytest.skip(str(lacking))
    with (
        Userland(layers, tmp_path / "userland") as userland,
        NodeRed(userland, broker.port, free_port(), tmp_path / "log") as node_red,
    ):
        yield node_red


def test_a_flow_gets_each_event_in_order(node_red: NodeRed, broker: Broker) -> None:
    with Device(broker.port) as device:
        device.show("fox", 0.97)
        device.show("hen", 0.8)
        device.remove()
    events = node_red.wait_for_events(3)
    assert [event["event_type"] for event in events] == ["hen", "fox", "hen"]
    assert [event["score"] for event in events] == [0.9, 0.97, 0.8]
