"""A packet that is the same for all viewers who ask within a moment."""

import time
from collections.abc import Callable, Mapping

from vedette_edge.live.protocol import EncodedPacket, Packet, encode_packet

FRESH_S = 0.2


class CachedPacket:
    """A packet of a type, encoded again at most every FRESH_S: a flood of requests costs little."""

    def __init__(self, kind: str, read_fields: Callable[[], Mapping[str, object]]) -> None:
        self._kind, self._read_fields = kind, read_fields
        self._encoded, self._until_s = EncodedPacket((), ()), 0.0

    def encode(self) -> EncodedPacket:
        """Encode the packet, or return it as it was a moment ago."""
        now_s = time.monotonic()
        if now_s >= self._until_s:
            self._encoded = encode_packet(Packet({"type": self._kind, **self._read_fields()}))
            self._until_s = now_s + FRESH_S
        return self._encoded
