"""The page of a fleet as a whole: its parts, put together and served."""

from collections.abc import Sequence
from socket import socket

from vedette_edge.fleet.app import create_app
from vedette_edge.fleet.collector import check_login
from vedette_edge.fleet.hub import FleetHub
from vedette_edge.fleet.roster import Roster
from vedette_edge.mqtt.config import MqttConfig
from vedette_edge.web.access import create_access
from vedette_edge.web.config import WebConfig
from vedette_edge.web.server import list_addresses, serve

COOKIE = "vedette_fleet"


def run_fleet(broker: MqttConfig, config: WebConfig, sockets: Sequence[socket]) -> None:
    """Serve the page on sockets that listen, until a signal or idleness.

    Raises SettingError, and BrokerError if the broker refuses us now.
    """
    access = create_access(config, list_addresses(sockets), COOKIE)
    check_login(broker)
    hub = FleetHub(Roster(broker))
    serve(create_app(broker, hub, access), sockets, hub, config.idle_s)
