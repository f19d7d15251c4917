"""The answers to viewers: the packets of each part of a frame, and their files."""

import os
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
from vedette_edge.live.protocol import Packet, create_file, encode_packet


def _create_packets(frame: LiveFrame, part: str) -> Iterator[Packet]:
    if part == "state":
        yield create_state(frame)
    elif part == "frame":
        yield from create_frame(frame)
    elif part == "pixels":
        yield create_pixels(frame)
    elif part == "input":
        yield from create_inputs(frame)
    else:
        yield from create_input_pixels(frame)


def encode_part(frame: LiveFrame, part: str, stack: ExitStack) -> Iterator[tuple[bytes, list[int]]]:
    """Encode the packets of a part, each with its file; new ones are closed by the stack."""
    for packet in _create_packets(frame, part):
        files = [] if packet.file is None else [packet.file]
        if packet.in_file:
            files = [create_file(packet.body)]
            stack.callback(os.close, *files)
        yield encode_packet(packet), files
