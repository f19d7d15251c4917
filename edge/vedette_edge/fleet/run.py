"""The page of a fleet as a whole: its parts, put together and served."""

from collections.abc import Sequence
from socket import socket

from vedette_edge.fleet.app import create_app
from vedette_edge.fleet.collector import check_login
from vedette_edge.fleet.hub import FleetHub
from vedette_edge.fleet.roster import Roster
from vedette_edge.mqtt.config import MqttConfig
from vedette_edge.web.access import Access, AccessConfig
from vedette_edge.web.config import WebConfig, check_exposure, read_token
from vedette_edge.web.server import list_addresses, serve

COOKIE = "vedette_fleet"


def run_fleet(broker: MqttConfig, config: WebConfig, sockets: Sequence[socket]) -> None:
    """Serve the page on sockets that listen, until a signal or idleness.

    Raises SettingError, and BrokerError if the broker refuses us now.
    """
    token = read_token(config.token_file) if config.token_file else None
    check_exposure(list_addresses(sockets), token)
    check_login(broker)
    hub = FleetHub(Roster(broker))
    access = Access(AccessConfig(token, config.hosts, COOKIE))
    serve(create_app(broker, hub, access, config.framers), sockets, hub, config.idle_s)
