"""The page as a whole: its parts, put together and served."""

from collections.abc import Sequence
from socket import socket

from vedette_edge.page.access import Access, AccessConfig
from vedette_edge.page.app import create_app
from vedette_edge.page.config import PageConfig, check_exposure, read_token
from vedette_edge.page.hub import Hub
from vedette_edge.page.server import list_addresses, serve
from vedette_edge.page.watch_link import WatchLink


def run_page(config: PageConfig, sockets: Sequence[socket]) -> None:
    """Serve the page on sockets that listen, until a signal or idleness. Raises SettingError."""
    token = read_token(config.token_file) if config.token_file else None
    check_exposure(list_addresses(sockets), token)
    hub = Hub(may_change=bool(token))
    access = Access(AccessConfig(token, config.hosts))
    app = create_app(hub, access, WatchLink(config.socket, hub), config.framers)
    serve(app, sockets, hub, config.idle_s)
