"""A client that posts over HTTP and HTTPS, within a time limit that no server can extend."""

import socket
import ssl
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import NamedTuple

from vedette_edge.sinks.webhook_address import WebhookAddress

LEAST_S = 0.01  # to wait for one address of a host


class Answer(NamedTuple):
    """The answer of a server, without its body: the status counts, also if the rest breaks off."""

    status: int
    location: str  # of a redirect, which is not followed


class HttpClient:
    """Posts, one request after another, each on a connection of its own."""

    def __init__(self, limit_s: float) -> None:
        """`limit_s` is that of a whole request; only resolving the name may take longer."""
        self._limit_s = limit_s

    def post(self, address: WebhookAddress, headers: Mapping[str, str], body: bytes) -> Answer:
        """Post a body. Raises OSError, of which the text is the reason."""
        until_s = time.monotonic() + self._limit_s
        try:
            return self._post(address, headers, body, until_s)
        except (OSError, HTTPException, ValueError) as error:
            if time.monotonic() >= until_s:
                raise TimeoutError(f"no answer within {self._limit_s:g} s") from error
            raise OSError(_explain(error)) from error

    def _post(
        self, address: WebhookAddress, headers: Mapping[str, str], body: bytes, until_s: float
    ) -> Answer:
        opened, connection = self._open(address, until_s)
        connection.sock = opened
        timer = threading.Timer(until_s - time.monotonic(), _shut_down, [opened])
        timer.daemon = True  # the end of the program does not wait for it
        timer.start()
        try:
            if isinstance(opened, ssl.SSLSocket):
                opened.do_handshake()
            connection.request("POST", address.target, body, dict(headers))
            with connection.getresponse() as response:
                answer = Answer(response.status, response.getheader("Location", ""))
            if time.monotonic() >= until_s:  # headers that were cut off look complete
                raise TimeoutError
            return answer
        finally:
            timer.cancel()
            connection.close()

    def _open(
        self, address: WebhookAddress, until_s: float
    ) -> tuple[socket.socket, HTTPConnection]:
        """Connect, without agreeing on keys yet, which a server can draw out."""
        plain = _connect(address, until_s)
        if address.scheme == "http":
            return plain, HTTPConnection(address.host, address.port)
        with plain:  # closed unless it becomes part of the encrypted one
            encrypted = self._context.wrap_socket(
                plain, server_hostname=address.host, do_handshake_on_connect=False
            )
        return encrypted, HTTPSConnection(address.host, address.port, context=self._context)

    @cached_property
    def _context(self) -> ssl.SSLContext:
        """The system's certificates, read when they are first needed."""
        return ssl.create_default_context()


def _connect(address: WebhookAddress, until_s: float) -> socket.socket:
    """Connect to the first of a host's addresses that answers. Raises OSError."""
    places = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    failure = OSError("the host has no address")
    for number, (family, kind, protocol, _, place) in enumerate(places):
        connection = socket.socket(family, kind, protocol)
        left_s = (until_s - time.monotonic()) / (len(places) - number)
        connection.settimeout(max(LEAST_S, left_s))
        try:
            connection.connect(place)
        except OSError as error:
            connection.close()
            failure = error
        else:
            connection.settimeout(max(LEAST_S, until_s - time.monotonic()))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection
    raise failure


def _shut_down(connection: socket.socket) -> None:
    """End a connection that another thread waits for; TLS is not asked, as it may wait, too."""
    with suppress(OSError):  # it has ended already
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


def _explain(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return "its answer is not HTTP"
