"""The protocol of the watch's socket, version 1: packets of a line of JSON, and bytes behind it.

docs/socket.md describes it for other programs.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from vedette_edge.errors import ProtocolError
from vedette_edge.log.records import encode_record

VERSION = 1
LARGEST_REQUEST = 4096  # bytes of a packet to the watch
LARGEST_PACKET = 400_000  # bytes of one from the watch, which fits the kernel's largest buffer
LONGEST_INTERVAL_S = 60.0
PARTS = ("state", "frame", "pixels", "input", "input_pixels")  # that a request can ask for
ANSWERS = ("metrics", "score_history")  # that it can ask for at once
IN_FILES = frozenset({"pixels", "input_pixels"})  # of these, those that may travel in files
PICTURES = frozenset({"frame", "pixels"})  # of these, those that need the original


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet: its header, and what follows, such as a JPEG file."""

    header: Mapping[str, object]
    body: bytes | memoryview = b""
    file: int | None = None  # a descriptor that goes with it


class EncodedPacket(NamedTuple):
    """A packet as it is sent: bytes in pieces, and descriptors."""

    pieces: Sequence[bytes | memoryview]
    files: Sequence[int]


@dataclass(frozen=True, slots=True)
class Request:
    """A request of a client: for all records from now on, figures, or parts of the next frame.

    Or for other thresholds, in `thresholds`, as they came.
    """

    records: bool = False
    answers: frozenset[str] = field(default_factory=frozenset)  # of ANSWERS
    parts: frozenset[str] = field(default_factory=frozenset)  # of PARTS, all of one frame
    interval_s: float = 0.0  # after which further frames follow; 0 for one frame alone
    thresholds: Mapping[str, object] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """True for a request of nothing, which ends one for parts."""
        return not (self.records or self.answers or self.parts or self.thresholds)


def encode_packet(packet: Packet) -> EncodedPacket:
    """Encode a packet. Its body stays as it is, so that nothing large is copied."""
    files = () if packet.file is None else (packet.file,)
    return EncodedPacket((encode_record(packet.header) + b"\n", packet.body), files)


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
    """Parse `{"request": ["state"], "interval_s": 0.2}` or `{"set": {"enter": 0.6}}`.

    Raises ProtocolError.
    """
    header = decode_packet(data).header
    thresholds = header.get("set")
    if isinstance(thresholds, dict) and thresholds:
        return Request(thresholds=thresholds)
    names, known = header.get("request"), ("records", *ANSWERS, *PARTS)
    if not isinstance(names, list) or not all(name in known for name in names):
        expected = f'{{"request": [...]}} with some of {", ".join(known)}'
        raise ProtocolError(f"unknown request; expected {expected}")
    asked, interval_s = frozenset(names), _parse_interval(header.get("interval_s", 0.0))
    parts = asked & frozenset(PARTS)
    return Request("records" in asked, asked & frozenset(ANSWERS), parts, interval_s)


def _parse_interval(value: object) -> float:
    match value:
        case bool():
            pass
        case int() | float() if 0 <= value <= LONGEST_INTERVAL_S:
            return float(value)
    raise ProtocolError(f"interval_s is {value!r:.40}; expected 0 to {LONGEST_INTERVAL_S:g}")
