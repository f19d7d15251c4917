"""A relay between FFmpeg and a camera at https:// or rtsps://.

FFmpeg verifies little or nothing of a certificate, depending on its build. So it reads from a plain
address of this machine, and the relay encrypts and verifies each connection to the camera.
"""

import os
import re
import select
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit

from vedette_edge.cameras.address import hide_secrets
from vedette_edge.cameras.config import CameraConfig
from vedette_edge.cameras.tls import Connector
from vedette_edge.errors import CameraError

LOCALHOST = "127.0.0.1"
# The protocols that FFmpeg may use: none that opens a file, or a connection of its own with TLS. Of
# plain HTTP, it sends what is not for this machine to a proxy that cannot exist.
OPTIONS = f"rtsp_transport;tcp|protocol_whitelist;http,tcp|http_proxy;http://{LOCALHOST}:0"
SILENCE_S = 60.0  # after which a connection ends; FFmpeg's time limits are shorter
MAX_CONNECTIONS = 4  # FFmpeg opens the next before it closes one, such as to seek in a file
STACK_BYTES = 512 << 10  # of a thread; the system's default, 8 MB, would use up the memory limit
RECORD_BYTES = 16 << 10  # the most that TLS decrypts at once, so that a read leaves nothing behind
_REDIRECT = re.compile(rb"(?is)(?:HTTP|RTSP)/1\.\d 3\d\d .*?\r\nLocation: *(\w+:[^\r]*)")


class Relay:
    """A server on this machine, each connection to which goes on to the camera."""

    def __init__(self, config: CameraConfig) -> None:
        """Start it. Raises SettingError if address or certificate file are not valid."""
        self._config, self._connector = config, Connector(config)
        self._free = threading.Semaphore(MAX_CONNECTIONS)
        self._listener = socket.create_server((LOCALHOST, 0))
        self.refusal: CameraError | None = None  # of the last connection that failed
        if LOCALHOST not in (direct := os.environ.get("no_proxy", "")):
            os.environ["no_proxy"] = f"{direct},{LOCALHOST}"  # FFmpeg has no option for it
        _start_thread(self._listen)

    @property
    def address(self) -> str:
        """The camera's address for FFmpeg: plain, with this machine as the host."""
        address = urlsplit(self._config.source)
        user, at, _ = address.netloc.rpartition("@")
        host = f"{user}{at}{LOCALHOST}:{self._listener.getsockname()[1]}"
        return address._replace(scheme=address.scheme[:-1], netloc=host).geturl()

    @property
    def options(self) -> str:
        """FFmpeg's options for this address. They name the camera, as some servers choose by it."""
        host = urlsplit(self._config.source).netloc.rpartition("@")[2]
        return f"headers;'Host: {host}\r\n'|{OPTIONS}"

    def close(self) -> None:
        """Accept no more connections. The others end as soon as FFmpeg closes them."""
        self._listener.shutdown(socket.SHUT_RDWR)

    def _listen(self) -> None:
        with self._listener, suppress(OSError):  # raised after close
            while self._free.acquire():
                _start_thread(self._serve, self._listener.accept()[0])

    def _serve(self, local: socket.socket) -> None:
        try:
            with local, suppress(OSError):
                self._connect(local)
        finally:
            self._free.release()

    def _connect(self, local: socket.socket) -> None:
        try:
            with self._connector.connect() as camera:
                pump(local, camera, self._check_answer)
        except CameraError as error:  # before FFmpeg sees the end of its connection
            self.refusal = error

    def _check_answer(self, data: bytes) -> None:
        if redirect := _REDIRECT.match(data):
            target = hide_secrets(redirect[1].decode("ascii", "replace"))
            raise CameraError(
                f"{self._config.name}: it redirects to {target}, which is not followed; set "
                "--camera to the address there"
            )


def pump(local: socket.socket, camera: ssl.SSLSocket, check: Callable[[bytes], None]) -> None:
    """Copy bytes both ways until one side ends, or neither sends for SILENCE_S.

    Calls `check` with what the camera sends. Raises OSError if a connection fails.
    """
    while ready := select.select([local, camera], [], [], SILENCE_S)[0]:
        for source in ready:
            source.settimeout(0)  # a part of a record of TLS is there, but no byte of it yet
            try:
                data = source.recv(RECORD_BYTES)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                continue
            if not data:
                return
            if source is camera:
                check(data)
            target = local if source is camera else camera
            target.settimeout(SILENCE_S)
            target.sendall(data)


def _start_thread(target: Callable[..., None], *arguments: object) -> None:
    before = threading.stack_size(STACK_BYTES)
    threading.Thread(target=target, args=arguments, daemon=True).start()
    threading.stack_size(before)
