"""A viewer's side of the watch's socket, for programs of ours."""

import socket
from collections.abc import Sequence
from pathlib import Path

from vedette_edge.errors import ProtocolError
from vedette_edge.live.protocol import LARGEST_PACKET, VERSION, Packet, decode_packet, encode_packet


class LiveClient:
    """A connection to a watch. Use it with `with`. Methods raise OSError and ProtocolError."""

    def __init__(self, path: Path, timeout_s: float = 5.0) -> None:
        """Connect. Raises ProtocolError for a watch of another version of the protocol."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.settimeout(timeout_s)
        try:
            self._socket.connect(str(path))
            self.hello = self.read().header
            if self.hello.get("version") != VERSION:
                version = self.hello.get("version")
                raise ProtocolError(f"{path}: version {version} of the protocol, not {VERSION}")
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> "LiveClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def fileno(self) -> int:
        """The descriptor, to wait until there is something to read."""
        return self._socket.fileno()

    def request(self, names: Sequence[str]) -> None:
        """Ask for records from now on, or for parts of the next frame."""
        self._socket.send(encode_packet(Packet({"request": list(names)})))

    def read(self) -> Packet:
        """Read the next packet; waits for it up to the time limit. Raises EOFError at the end."""
        data = self._socket.recv(LARGEST_PACKET + 1)
        if not data:
            raise EOFError("the watch has ended")
        return decode_packet(data)
