"""The protocol of the watch's socket, version 1: packets of a line of JSON, and bytes behind it.

docs/socket.md describes it for other programs.
"""

import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from vedette_edge.errors import ProtocolError
from vedette_edge.log.records import encode_record

VERSION = 1
LARGEST_REQUEST = 4096  # bytes of a packet to the watch
LARGEST_PACKET = 400_000  # bytes of one from the watch, which fits the kernel's largest buffer
SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
PARTS = ("state", "frame", "pixels", "input", "input_pixels")  # that a request can ask for
ANSWERS = ("metrics", "score_history")  # that it can ask for at once
IN_FILES = frozenset({"pixels", "input_pixels"})  # of these, those that travel in files
PICTURES = frozenset({"frame", "pixels"})  # of these, those that need the original


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet: its header, and what follows, such as a JPEG file."""

    header: Mapping[str, object]
    body: bytes | memoryview = b""
    in_file: bool = False  # the body is too large for a packet, and travels in a file beside it
    file: int | None = None  # a descriptor that goes with it, of a file that is there already


@dataclass(frozen=True, slots=True)
class Request:
    """A request of a client: for all records from now on, figures, or parts of the next frame.

    Or for other thresholds, in `thresholds`, as they came.
    """

    records: bool = False
    answers: frozenset[str] = field(default_factory=frozenset)  # of ANSWERS
    parts: frozenset[str] = field(default_factory=frozenset)  # of PARTS, all of one frame
    thresholds: Mapping[str, object] = field(default_factory=dict)


def encode_packet(packet: Packet) -> bytes:
    """Encode a packet, without a body that is in a file."""
    return encode_record(packet.header) + b"\n" + (b"" if packet.in_file else bytes(packet.body))


def create_file(body: bytes | memoryview) -> int:
    """Create a file in memory that nobody can change; return its descriptor."""
    descriptor = os.memfd_create("vedette-packet", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(descriptor, body)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, SEALS)
    return descriptor


def decode_packet(data: bytes) -> Packet:
    """Decode a packet. Raises ProtocolError."""
    line, _, body = data.partition(b"\n")
    try:
        header = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("the packet does not begin with a line of JSON") from error
    if not isinstance(header, dict):
        raise ProtocolError("the packet does not begin with a JSON object")
    return Packet(header, body)


def parse_request(data: bytes) -> Request:
    """Parse `{"request": ["records", "metrics", "state"]}` or `{"set": {"enter": 0.6}}`.

    Raises ProtocolError.
    """
    header = decode_packet(data).header
    thresholds = header.get("set")
    if isinstance(thresholds, dict) and thresholds:
        return Request(thresholds=thresholds)
    names, known = header.get("request"), ("records", *ANSWERS, *PARTS)
    if not isinstance(names, list) or not names or not all(name in known for name in names):
        expected = f'{{"request": [...]}} with some of {", ".join(known)}'
        raise ProtocolError(f"unknown request; expected {expected}")
    asked = frozenset(names)
    return Request("records" in asked, asked & frozenset(ANSWERS), asked & frozenset(PARTS))
