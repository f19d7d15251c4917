"""The web server of the page: bounded in connections and time, and gone when nobody looks."""

import asyncio
import os
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from typing import Protocol

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from vedette_edge.errors import SettingError
from vedette_edge.page.config import LOOPBACK, Address

MOST_CONNECTIONS = 100
BACKLOG = 500  # connections that wait, and that are accepted at once
MOST_VIEWERS = 8  # that an application serves events and streams to
MOST_HEADER_BYTES = 16_384
HEAD_S = 10.0  # for a client to send its request
STALL_S = 20.0  # for a client to read on
IDLE_CHECK_S = 1.0
FIRST_DESCRIPTOR = 3  # that systemd passes, see sd_listen_fds(3)


class Audience(Protocol):
    """Those who look at a page."""

    viewers: int


class BoundedProtocol(H11Protocol):
    """HTTP with limits that uvicorn does not have: on connections, and on slow clients."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or close it if there are too many."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
        else:
            self._limit(HEAD_S)

    def data_received(self, data: bytes) -> None:
        """Take a part of a request; it must be complete in time."""
        super().data_received(data)
        if self.cycle and not self.cycle.response_complete:
            self._limit(None)
        elif not self._deadline:
            self._limit(HEAD_S)

    def pause_writing(self) -> None:
        """Note that the client does not read; it has some time to go on."""
        super().pause_writing()
        self._limit(STALL_S)

    def resume_writing(self) -> None:
        """Note that the client reads again."""
        super().resume_writing()
        self._limit(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the connection has gone."""
        self._limit(None)
        super().connection_lost(exc)

    def _limit(self, seconds: float | None) -> None:
        """End the connection after a time, unless this is called again."""
        if self._deadline:
            self._deadline.cancel()
        self._deadline = None
        if seconds is not None:
            self._deadline = self.loop.call_later(seconds, self.transport.abort)


def serve(app: ASGIApp, sockets: Sequence[socket.socket], hub: Audience, idle_s: float) -> None:
    """Serve the page until a signal, or until nobody has asked for it for `idle_s` (0: never)."""
    config = uvicorn.Config(
        app,
        http=BoundedProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=1,
        h11_max_incomplete_event_size=MOST_HEADER_BYTES,
    )
    server = uvicorn.Server(config)

    async def run() -> None:
        watcher = asyncio.create_task(_end_when_idle(server, hub, idle_s))
        try:
            await server.serve(list(sockets))
        finally:
            watcher.cancel()

    asyncio.run(run())


async def _end_when_idle(server: uvicorn.Server, hub: Audience, idle_s: float) -> None:
    answered, active_s = 0, time.monotonic()
    while idle_s:
        await asyncio.sleep(IDLE_CHECK_S)
        if hub.viewers or server.server_state.total_requests > answered:
            answered, active_s = server.server_state.total_requests, time.monotonic()
        elif time.monotonic() - active_s > idle_s:
            server.should_exit = True


@contextmanager
def open_sockets(
    addresses: Sequence[Address], usual: Sequence[Address] = LOOPBACK
) -> Iterator[list[socket.socket]]:
    """Listen on addresses, or take the sockets that systemd passes. Raises SettingError.

    Without addresses, it listens on the `usual` ones, of which only the first must be there.
    """
    with ExitStack() as stack:
        sockets = [stack.enter_context(one) for one in _take_passed_sockets()]
        for address in () if sockets else addresses or usual:
            with suppress(SettingError) if sockets and not addresses else nullcontext():
                sockets.append(stack.enter_context(_listen(address)))
        yield sockets


def list_addresses(sockets: Sequence[socket.socket]) -> list[Address]:
    """List the addresses of sockets."""
    return [Address(*one.getsockname()[:2]) for one in sockets]


def _take_passed_sockets() -> Iterator[socket.socket]:
    if os.environ.get("LISTEN_PID") == str(os.getpid()):
        count = int(os.environ.get("LISTEN_FDS", "0"))
        for descriptor in range(FIRST_DESCRIPTOR, FIRST_DESCRIPTOR + count):
            yield socket.socket(fileno=descriptor)


def _listen(address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        return socket.create_server((address.host, address.port), family=family)
    except OSError as error:
        advice = "choose another one: --bind ADDRESS:PORT"
        raise SettingError(f"{address}: {os.strerror(error.errno or 0)}; {advice}") from error
