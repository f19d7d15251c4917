"""Servers for the tests of webhooks: one that answers, and one that does as a test says."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

Behave = Callable[[socket.socket], None]


class Request(NamedTuple):
    """A request as it was received."""

    path: str
    headers: Message
    body: bytes


class Receiver(ThreadingHTTPServer):
    """Answers each request with the next status, and the last one again and again."""

    daemon_threads = True

    def __init__(self, *statuses: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.statuses = list(statuses or [200])
        self.location = ""  # of redirects
        self.requests: list[Request] = []

    def handle_error(self, *_: object) -> None:
        """Print nothing."""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append(Request(self.path, self.headers, body))
        statuses = self.server.statuses
        self.send_response(statuses.pop(0) if statuses[1:] else statuses[0])
        if self.server.location:
            self.send_header("Location", self.server.location)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def receive(*statuses: int) -> Iterator[Receiver]:
    """Run a receiver."""
    with Receiver(*statuses) as receiver:
        thread = threading.Thread(target=receiver.serve_forever, args=[0.01])
        thread.start()
        try:
            yield receiver
        finally:
            receiver.shutdown()
            thread.join()


@contextmanager
def serve_raw(behave: Behave) -> Iterator[str]:
    """Accept connections, treat each as `behave` does, and close it. Yields the host and port.

    At the end, no connection is left open: who waits for an answer waits no longer.
    """
    connections: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def treat(connection: socket.socket) -> None:
            with connection, suppress(OSError):
                behave(connection)

        def listen() -> None:
            with suppress(OSError):
                while True:
                    connection = listener.accept()[0]
                    connections.append(connection)
                    threading.Thread(target=treat, args=[connection], daemon=True).start()

        thread = threading.Thread(target=listen)
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in connections:
                with suppress(OSError):  # closed already
                    connection.shutdown(socket.SHUT_RDWR)
