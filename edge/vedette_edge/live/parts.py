"""The answers to viewers: the packets of each part of a frame."""

from collections.abc import Iterator
from contextlib import ExitStack

from vedette_edge.live.frame import (
    LiveFrame,
    create_frame,
    create_input_pixels,
    create_inputs,
    create_pixels,
    create_state,
)
from vedette_edge.live.protocol import EncodedPacket, Packet, encode_packet


def _create_packets(frame: LiveFrame, part: str, stack: ExitStack) -> Iterator[Packet]:
    if part == "state":
        yield create_state(frame)
    elif part == "frame":
        yield from create_frame(frame)
    elif part == "pixels":
        yield create_pixels(frame)
    elif part == "input":
        yield from create_inputs(frame)
    else:
        yield from create_input_pixels(frame, stack)


def encode_part(frame: LiveFrame, part: str, stack: ExitStack) -> list[EncodedPacket]:
    """Encode the packets of a part; the stack closes their files."""
    return [encode_packet(packet) for packet in _create_packets(frame, part, stack)]
