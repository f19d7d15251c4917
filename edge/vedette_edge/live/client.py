"""A viewer's side of the watch's socket, for programs of ours."""

import mmap
import os
import socket
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np

from vedette_edge.errors import ProtocolError
from vedette_edge.images.preprocessing import Image
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
        flags = socket.MSG_CMSG_CLOEXEC
        data, files, _, _ = socket.recv_fds(self._socket, LARGEST_PACKET + 1, 1, flags)
        if not data:
            raise EOFError("the watch has ended")
        return replace(decode_packet(data), descriptor=files[0] if files else None)


def load_pixels(packet: Packet) -> Image:
    """Map the image of a packet of the type `pixels`; closes its file. Raises ProtocolError.

    The image is read-only, and its memory is freed with it.
    """
    if packet.descriptor is None:
        raise ProtocolError("the packet has no file; expected the pixels of a frame")
    with closing(os.fdopen(packet.descriptor, "rb")) as file:
        try:
            memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            shape = int(str(packet.header["height"])), int(str(packet.header["width"])), 3
            return np.frombuffer(memory, np.uint8).reshape(shape)
        except (KeyError, OSError, ValueError) as error:
            raise ProtocolError("the pixels do not have the size that the packet says") from error
