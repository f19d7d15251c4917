"""The web server of a page: bounded in connections and time, and gone when nobody looks."""

import asyncio
import logging
import os
import socket
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from typing import Protocol

import uvicorn
from starlette.responses import StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from vedette_edge.errors import SettingError
from vedette_edge.web.config import Address

logger = logging.getLogger(__name__)

MOST_CONNECTIONS = 100
MOST_PER_ADDRESS = 50
SEND_BUFFER_BYTES = 262_144  # of the kernel, for a connection
BACKLOG = 500  # connections that wait, and that are accepted at once
MOST_VIEWERS = 8  # that an application serves events and streams to
BUSY = f"{MOST_VIEWERS} viewers are connected; try again later\n"
MOST_HEADER_BYTES = 16_384
HEAD_S = 10.0  # for a client to send its request
STALL_S = 20.0  # for a client to read on
KEEP_S = 75  # a connection without a request; Prometheus asks each minute, or more often
IDLE_CHECK_S = 1.0
FAMILIES = (socket.AF_INET, socket.AF_INET6)
LOOPBACK = ("127.0.0.1", "::1")
FIRST_DESCRIPTOR = 3  # that systemd passes, see sd_listen_fds(3)


class Audience(Protocol):
    """Those who look at a page."""

    viewers: int


class BoundedProtocol(H11Protocol):
    """HTTP with limits that uvicorn does not have: on connections, and on slow clients."""

    host = ""  # of the client
    _head: asyncio.TimerHandle | None = None  # ends a connection without a complete request
    _stall: asyncio.TimerHandle | None = None  # ends one whose client does not read

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or close it if there are too many."""
        super().connection_made(transport)
        self.host = transport.get_extra_info("peername")[0]
        others = (one for one in self.connections if isinstance(one, BoundedProtocol))
        same = sum(one.host == self.host for one in others)
        if len(self.connections) > MOST_CONNECTIONS or same > MOST_PER_ADDRESS:
            transport.abort()
            return
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        self._head = self.loop.call_later(HEAD_S, transport.abort)

    def data_received(self, data: bytes) -> None:
        """Take a part of a request; it must be complete in time."""
        super().data_received(data)
        if self.cycle and not self.cycle.response_complete:
            self._head = self._cancel(self._head)
        elif not self._head:
            self._head = self.loop.call_later(HEAD_S, self.transport.abort)

    def pause_writing(self) -> None:
        """Note that the client does not read; it has some time to go on."""
        super().pause_writing()
        self._cancel(self._stall)
        self._stall = self.loop.call_later(STALL_S, self.transport.abort)

    def resume_writing(self) -> None:
        """Note that the client reads again."""
        super().resume_writing()
        self._stall = self._cancel(self._stall)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the connection has gone."""
        self._head, self._stall = self._cancel(self._head), self._cancel(self._stall)
        super().connection_lost(exc)

    @staticmethod
    def _cancel(timer: asyncio.TimerHandle | None) -> asyncio.TimerHandle | None:
        if timer:
            timer.cancel()
        return None


class ViewerResponse(StreamingResponse):
    """A stream whose viewer is counted for as long as it lasts."""

    def __init__(
        self, content: AsyncIterator[str | bytes], viewer: AbstractContextManager[None], media: str
    ) -> None:
        """`viewer` is entered before anything is awaited, so that no two take the last place."""
        super().__init__(content, media_type=media, headers={"cache-control": "no-store"})
        self._viewer = viewer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream."""
        with self._viewer:
            await super().__call__(scope, receive, send)


def serve(app: ASGIApp, sockets: Sequence[socket.socket], hub: Audience, idle_s: float) -> None:
    """Serve the page until a signal, or until nobody has asked for it for `idle_s` (0: never)."""
    config = uvicorn.Config(
        app,
        http=BoundedProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_S,
        timeout_graceful_shutdown=1,
        h11_max_incomplete_event_size=MOST_HEADER_BYTES,
    )
    server = uvicorn.Server(config)
    for address in list_addresses(sockets):
        logger.info("http://%s/", address)

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
def open_sockets(addresses: Sequence[Address], port: int) -> Iterator[list[socket.socket]]:
    """Listen on addresses, or take the sockets that systemd passes. Raises SettingError.

    Without addresses, it listens on this machine's at `port`, of which only the first must exist.
    """
    usual = [Address(host, port) for host in LOOPBACK]
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
            passed = socket.socket(fileno=descriptor)
            if passed.family not in FAMILIES or passed.type != socket.SOCK_STREAM:
                raise SettingError(
                    "systemd passes a socket that is no TCP socket; see ListenStream="
                )
            yield passed


def _listen(address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        return socket.create_server((address.host, address.port), family=family)
    except OSError as error:
        advice = "choose another one: --bind ADDRESS:PORT"
        raise SettingError(f"{address}: {os.strerror(error.errno or 0)}; {advice}") from error
