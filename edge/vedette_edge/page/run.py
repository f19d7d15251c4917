"""The page as a whole: its parts, put together and served."""

from collections.abc import Sequence
from socket import socket

from vedette_edge.page.app import create_app
from vedette_edge.page.config import PageConfig
from vedette_edge.page.hub import Hub
from vedette_edge.page.watch_link import WatchLink
from vedette_edge.web.access import Access, AccessConfig
from vedette_edge.web.config import check_exposure, read_token
from vedette_edge.web.server import list_addresses, serve


def run_page(config: PageConfig, sockets: Sequence[socket]) -> None:
    """Serve the page on sockets that listen, until a signal or idleness. Raises SettingError."""
    token = read_token(config.web.token_file) if config.web.token_file else None
    check_exposure(list_addresses(sockets), token)
    hub = Hub()
    access = Access(AccessConfig(token, config.web.hosts))
    app = create_app(hub, access, WatchLink(config.socket, hub), config.web.framers)
    serve(app, sockets, hub, config.web.idle_s)
