"""A viewer's side of the watch's socket, for programs of ours."""

import fcntl
import math
import mmap
import os
import select
import socket
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from vedette_edge.errors import ProtocolError, SettingError
from vedette_edge.files import UNCHANGEABLE
from vedette_edge.images.preprocessing import Image
from vedette_edge.images.shared_picture import LARGEST_BYTES, SharedPicture
from vedette_edge.live.protocol import (
    LARGEST_PACKET,
    VERSION,
    Packet,
    decode_packet,
    encode_packet,
)
from vedette_edge.live.score_history import MOST_BYTES

LARGEST_FILE = 4 << 20  # bytes of an input


class LiveClient:
    """A connection to a watch. Use it with `with`. Methods raise OSError and ProtocolError."""

    def __init__(self, path: Path, timeout_s: float = 5.0) -> None:
        """Connect. Raises ProtocolError for a watch of another version of the protocol."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.settimeout(timeout_s)
        try:
            self._socket.connect(str(path))
            self.hello = self.read().header
            if self.hello.get("type") == "error":
                raise ProtocolError(f"{path}: {self.hello.get('error')}")
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

    def has_packet(self) -> bool:
        """True if there is a packet, or the end, to read without waiting."""
        return bool(select.select([self._socket], [], [], 0)[0])

    def request(self, names: Sequence[str], interval_s: float = 0.0) -> None:
        """Ask for records from now on, figures, or parts of the next frame.

        With an interval, parts of further frames follow until the next request for parts; that of
        no names ends it. Never waits: a watch that does not read is a BlockingIOError.
        """
        self._send({"request": list(names), "interval_s": interval_s})

    def set_thresholds(self, changes: Mapping[str, object]) -> None:
        """Set `enter`, `leave` or both; None for the configured value. Never waits; see `read`.

        Raises SettingError for values that are no finite numbers: JSON has none.
        """
        for name, value in changes.items():
            if isinstance(value, float) and not math.isfinite(value):
                raise SettingError(f"{name} is {value}; expected a number, such as 0.6")
        self._send({"set": dict(changes)})

    def _send(self, header: Mapping[str, object]) -> None:
        self._socket.sendmsg(encode_packet(Packet(header)).pieces, [], socket.MSG_DONTWAIT)

    def read(self) -> Packet:
        """Read the next packet; waits for it up to the time limit. Raises EOFError at the end."""
        flags = socket.MSG_CMSG_CLOEXEC
        data, files, _, _ = socket.recv_fds(self._socket, LARGEST_PACKET + 1, 1, flags)
        if not data:
            raise EOFError("the watch has ended")
        try:
            packet = decode_packet(data)
            read_file = READERS.get(str(packet.header.get("type")), _map_file)
            body = read_file(files[0], packet.header) if files else packet.body
        finally:
            for descriptor in files:
                os.close(descriptor)
        return replace(packet, body=body)


def load_pixels(packet: Packet) -> Image | None:
    """Return the image of a packet of the type `pixels` or `input_pixels`, read-only.

    None if a newer frame has taken its place: ask for the next one. Raises ProtocolError.
    """
    if not packet.body:
        return None
    try:
        return np.frombuffer(packet.body, np.uint8).reshape(_find_shape(packet.header))
    except (KeyError, ValueError) as error:
        raise ProtocolError("the pixels do not have the size that the packet says") from error


def _find_shape(header: Mapping[str, object]) -> tuple[int, int, int]:
    return int(str(header["height"])), int(str(header["width"])), 3


def _read_shared(descriptor: int, header: Mapping[str, object]) -> memoryview:
    """Read the picture at the place that a packet names; empty if it was replaced.

    Raises ProtocolError.
    """
    try:
        (height, width, _), offset = _find_shape(header), int(str(header["offset"]))
        if not (height > 0 and width > 0 and height * width * 3 <= LARGEST_BYTES):
            raise ValueError
        picture = SharedPicture(descriptor, offset, int(str(header["stamp"])), height, width)
        image_rgb = picture.read()
    except (KeyError, ValueError, OverflowError, OSError) as error:
        raise ProtocolError("the picture of a packet cannot be read") from error
    return memoryview(b"" if image_rgb is None else image_rgb.reshape(-1).data)


def _read_scores(descriptor: int, header: Mapping[str, object]) -> memoryview:
    """Read a score history, which goes on being written. Raises ProtocolError."""
    try:
        return memoryview(os.pread(descriptor, MOST_BYTES, 0))
    except OSError as error:
        raise ProtocolError("the scores of a packet cannot be read") from error


def _map_file(descriptor: int, header: Mapping[str, object]) -> memoryview:
    """Map a file that came with a packet. Raises ProtocolError."""
    try:
        is_sealed = fcntl.fcntl(descriptor, fcntl.F_GET_SEALS) & UNCHANGEABLE == UNCHANGEABLE
        size = os.fstat(descriptor).st_size
        if size > LARGEST_FILE:
            raise ValueError
        memory = mmap.mmap(descriptor, size, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        raise ProtocolError("the file of a packet cannot be read") from error
    if not is_sealed:
        raise ProtocolError("the file of a packet is not sealed: it could shrink under us")
    return memoryview(memory)


READERS = {"pixels": _read_shared, "score_history": _read_scores}  # by the type of the packet
