"""The page as a whole: its parts, put together and served."""

import os
from collections.abc import Sequence
from contextlib import suppress
from socket import socket

from vedette_edge.page.app import create_app
from vedette_edge.page.config import PageConfig
from vedette_edge.page.hub import Hub
from vedette_edge.page.watch_link import WatchLink
from vedette_edge.web.access import create_access
from vedette_edge.web.server import list_addresses, serve

NICENESS = 10  # if the processor's time is short, the watch goes first


def run_page(config: PageConfig, sockets: Sequence[socket]) -> None:
    """Serve the page on sockets that listen, until a signal or idleness. Raises SettingError."""
    access = create_access(config.web, list_addresses(sockets))
    hub = Hub(may_change=access.has_token)
    app = create_app(hub, access, WatchLink(config.socket, hub))
    with suppress(PermissionError):  # in the service's sandbox, which has a weight of its own
        os.nice(NICENESS)
    serve(app, sockets, hub, config.web.idle_s)
