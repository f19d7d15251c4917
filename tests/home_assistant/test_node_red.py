"""A watch of ours in a real Node-RED."""

from pathlib import Path

import pytest
from tests.edge.mosquitto import StartBroker, start_broker
from tests.home_assistant.client import free_port
from tests.home_assistant.node_red import NodeRed
from tests.home_assistant.systems import install_node_red
from tests.home_assistant.watch import Watch
from tests.install.userland import LackingError, Userland

__all__ = ["start_broker"]

pytestmark = pytest.mark.timeout(900)  # of which installing Node-RED takes the most


def test_a_flow_gets_each_event_in_order(
    start_broker: StartBroker,
    model: Path,
    tmp_path: Path,
) -> None:
    try:
        layers = install_node_red()
    except LackingError as lacking:
        pytest.skip(str(lacking))
    broker = start_broker("persistence false")
    watch = Watch(broker.port, model, tmp_path)
    with (
        Userland(layers, tmp_path / "userland") as userland,
        NodeRed(userland, broker.port, free_port(), tmp_path / "log") as node_red,
    ):
        watch.start()
        node_red.wait_for_events(1)
        numbers = []
        for count, label in enumerate(("green", "blue"), 2):
            numbers.append(watch.show(label).number)
            events = node_red.wait_for_events(count)
        watch.stop()
    assert [event["event_type"] for event in events] == ["red", "green", "blue"]
    assert [event["frame"] for event in events[1:]] == numbers
