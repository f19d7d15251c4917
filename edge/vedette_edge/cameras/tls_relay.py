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
SILENCE_S = 60.0  # after which a connection ends; FFmpeg's time limits are shorter
MAX_CONNECTIONS = 4  # FFmpeg opens the next before it closes one, such as to seek in a file
STACK_BYTES = 512 << 10  # of a thread; the system's default, 8 MB, would use up the memory limit
RECORD_BYTES = 16 << 10  # the most that TLS decrypts at once, so that a read leaves nothing behind
Edit = Callable[[bytes], bytes]
_REDIRECT = re.compile(rb"(HTTP|RTSP)/\S+ 3\d\d ")
_LOCATION = re.compile(rb"(?i)\r\nLocation:\s*([^\r]*)")
_PATH = re.compile(r"/(?!/)")  # on the same host


class Relay:
    """A server on this machine, each connection to which goes on to the camera."""

    # The protocols that FFmpeg may use: none that opens a file, or an encrypted connection of its
    # own. Plain HTTP to anything but this machine goes to a proxy that cannot exist.
    options = f"rtsp_transport;tcp|protocol_whitelist;http,tcp|http_proxy;http://{LOCALHOST}:0"

    def __init__(self, config: CameraConfig) -> None:
        """Start it. Raises SettingError if address or certificate file are not valid."""
        self._config, self._connector = config, Connector(config)
        self._free = threading.Semaphore(MAX_CONNECTIONS)
        self._listener = socket.create_server((LOCALHOST, 0))
        self._local_host = f"{LOCALHOST}:{self._listener.getsockname()[1]}"
        self.refusal: CameraError | None = None  # of the last connection that failed
        direct = os.environ.get("no_proxy", "").split(",")
        if LOCALHOST not in direct:  # FFmpeg has no option for it
            os.environ["no_proxy"] = ",".join([*direct, LOCALHOST])
        _start_thread(self._listen)

    @property
    def address(self) -> str:
        """The camera's address for FFmpeg: plain, with this machine as the host."""
        address = urlsplit(self._config.source)
        user, at, _ = address.netloc.rpartition("@")
        netloc = f"{user}{at}{self._local_host}"
        return address._replace(scheme=address.scheme[:-1], netloc=netloc).geturl()

    def close(self) -> None:
        """Accept no more connections. The others end as soon as FFmpeg closes them."""
        with suppress(OSError):  # raised if it has failed before
            self._listener.shutdown(socket.SHUT_RDWR)

    def _listen(self) -> None:
        with self._listener, suppress(OSError):  # raised after close
            while self._free.acquire():
                _start_thread(self._serve, self._listener.accept()[0])

    def _serve(self, local: socket.socket) -> None:
        with local:
            try:
                with self._connector.connect() as camera:
                    pump(local, camera, self._name_host, self._check_answer)
            except CameraError as error:  # recorded before FFmpeg sees the end of its connection
                self.refusal = error
            except OSError:
                pass  # one side has gone, which FFmpeg notices
            finally:
                self._free.release()

    def _name_host(self, request: bytes) -> bytes:
        """Name the camera as the host of a request, because some servers choose by it."""
        host = urlsplit(self._config.source).netloc.rpartition("@")[2]
        before, after = (f"\r\nHost: {name}\r\n" for name in (self._local_host, host))
        return request.replace(before.encode(), after.encode(), 1)

    def _check_answer(self, answer: bytes) -> bytes:
        """Raises CameraError at a redirect to anything but a path of the camera."""
        if _REDIRECT.match(answer):
            location = _LOCATION.search(answer)
            target = location[1].decode("ascii", "replace") if location else ""
            if not _PATH.match(target):
                shown = hide_secrets(target) if "://" in target else "another address"
                raise CameraError(
                    f"{self._config.name}: it redirects to {shown}, which is not followed; set "
                    "--camera to the address there"
                )
        return answer


def pump(local: socket.socket, camera: ssl.SSLSocket, edit: Edit, check: Edit) -> None:
    """Copy bytes both ways until one side ends, or neither sends for SILENCE_S.

    The camera gets the result of `edit`, and FFmpeg that of `check`. Raises OSError if a connection
    fails.
    """
    routes: dict[socket.socket, tuple[socket.socket, Edit]]
    routes = {local: (camera, edit), camera: (local, check)}
    while ready := select.select(routes, [], [], SILENCE_S)[0]:
        for source in ready:
            source.settimeout(0)  # only a part of a record of TLS may be there
            try:
                data = source.recv(RECORD_BYTES)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                continue
            if not data:
                return
            target, convert = routes[source]
            target.settimeout(SILENCE_S)
            target.sendall(convert(data))


def _start_thread(target: Callable[..., None], *arguments: object) -> None:
    before = threading.stack_size(STACK_BYTES)
    threading.Thread(target=target, args=arguments, daemon=True).start()
    threading.stack_size(before)
