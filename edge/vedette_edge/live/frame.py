"""A frame as viewers see it, and the packets that show it."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vedette_edge.files import create_unchangeable_file
from vedette_edge.images.encoding import encode_jpeg_within, encode_png
from vedette_edge.images.preprocessing import Image
from vedette_edge.images.shared_picture import SharedPicture
from vedette_edge.live.protocol import Packet
from vedette_edge.log.records import format_timestamp

# The kernel's buffer takes 200 kB more, on Debian.
LARGEST_JPEG = 200_000  # bytes of a frame
MOST_IN_PACKETS = 100_000  # bytes of inputs
FRAME_PX = 1280  # of the longer side of a frame's JPEG


@dataclass(frozen=True, slots=True)
class LiveRegion:
    """A region of a frame: the network's input and answer, and what became of it."""

    name: str  # empty for the whole frame
    input_rgb: Image  # uint8, as the network gets it
    scores: NDArray[np.float32] | None  # of the frame alone, 0..1; None if they are not finite
    smoothed: NDArray[np.float32] | None  # 0..1; None before the first frame
    label: str
    stands_s: float  # for how long the label stands
    rules: Mapping[str, float]  # for a change: enter, leave, dwell, smoothing


@dataclass(frozen=True, slots=True)
class LiveFrame:
    """A frame that was classified."""

    number: int
    seen_at: float  # seconds since the epoch
    age_ms: float  # when it was handed over
    original: SharedPicture | None  # None if it was not kept
    regions: Sequence[LiveRegion]

    def describe(self) -> dict[str, object]:
        """The fields that all packets of a frame share."""
        return {"frame": self.number, "time": format_timestamp(self.seen_at)}


def create_state(frame: LiveFrame) -> Packet:
    """Create the packet of scores and labels."""
    regions = [_describe_region(region) for region in frame.regions]
    fields = {"age_ms": round(frame.age_ms, 1), "regions": regions}
    return Packet({"type": "state", **frame.describe(), **fields})


def create_frame(frame: LiveFrame) -> Iterator[Packet]:
    """Create the packet of the picture, a JPEG file that may be smaller than the original.

    There is none if a newer frame has taken the place of the original.
    """
    assert frame.original is not None
    image_rgb = frame.original.read()
    if image_rgb is not None:
        jpeg = encode_jpeg_within(image_rgb, LARGEST_JPEG, FRAME_PX)
        header = {"type": "frame", **frame.describe(), "media": "image/jpeg"}
        yield Packet({**header, **_describe_original(frame.original)}, jpeg)


def create_pixels(frame: LiveFrame) -> Packet:
    """Create the packet of the place where the original is, in the file beside it."""
    original = frame.original
    assert original is not None
    header = {"type": "pixels", **frame.describe(), "media": "image/x-rgb"}
    place = {"offset": original.offset, "stamp": original.stamp}
    return Packet({**header, **_describe_original(original), **place}, file=original.file)


def create_input_pixels(frame: LiveFrame, stack: ExitStack) -> Iterator[Packet]:
    """Create a packet for each region's input itself.

    If all are large, they travel in files, which the stack closes.
    """
    total = sum(region.input_rgb.nbytes for region in frame.regions)
    for region in frame.regions:
        named = {"type": "input_pixels", **frame.describe(), "media": "image/x-rgb"}
        header, pixels = named | _describe_input(region), region.input_rgb.reshape(-1).data
        if total > MOST_IN_PACKETS:
            file = create_unchangeable_file("vedette-input", pixels)
            stack.callback(os.close, file)
            yield Packet(header, file=file)
        else:
            yield Packet(header, pixels)


def create_inputs(frame: LiveFrame) -> Iterator[Packet]:
    """Create a packet for each region's input: a PNG file, so each pixel is as it was."""
    for region in frame.regions:
        header = {"type": "input", **frame.describe(), "media": "image/png"}
        yield Packet(header | _describe_input(region), encode_png(region.input_rgb))


def _describe_original(original: SharedPicture) -> dict[str, object]:
    return {"width": original.width, "height": original.height, "scale": original.scale}


def _describe_input(region: LiveRegion) -> dict[str, object]:
    height, width, _ = region.input_rgb.shape
    return {"region": region.name, "width": width, "height": height}


def _describe_region(region: LiveRegion) -> dict[str, object]:
    return {
        "region": region.name,
        "label": region.label,
        "stands_s": round(region.stands_s, 2),
        **region.rules,
        "scores": _round(region.scores),
        "smoothed": _round(region.smoothed),
    }


def _round(scores: NDArray[np.float32] | None) -> list[float] | None:
    return None if scores is None else scores.astype(np.float64).round(4).tolist()
