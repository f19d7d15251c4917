"""A frame as viewers see it, and the packets that show it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vedette_edge.images.encoding import encode_jpeg_within, encode_png
from vedette_edge.images.preprocessing import Image
from vedette_edge.live.protocol import LARGEST_PACKET, Packet
from vedette_edge.log.records import format_timestamp

LARGEST_JPEG = LARGEST_PACKET - 4096  # room for the header
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
    image_rgb: Image | None  # the original; None if it was not kept
    regions: Sequence[LiveRegion]
    scale: float = 1.0  # of the original; below 1 if it was reduced

    def describe(self) -> dict[str, object]:
        """The fields that all packets of a frame share."""
        return {"frame": self.number, "time": format_timestamp(self.seen_at)}


def create_state(frame: LiveFrame) -> Packet:
    """Create the packet of scores and labels."""
    regions = [_describe_region(region) for region in frame.regions]
    fields = {"age_ms": round(frame.age_ms, 1), "regions": regions}
    return Packet({"type": "state", **frame.describe(), **fields})


def create_frame(frame: LiveFrame) -> Packet:
    """Create the packet of the picture, a JPEG file that may be smaller than the original."""
    assert frame.image_rgb is not None
    height, width, _ = frame.image_rgb.shape
    jpeg = encode_jpeg_within(frame.image_rgb, LARGEST_JPEG, FRAME_PX)
    shape = {"width": width, "height": height, "scale": frame.scale}  # of the original
    return Packet({"type": "frame", **frame.describe(), "media": "image/jpeg", **shape}, jpeg)


def create_pixels(frame: LiveFrame) -> Packet:
    """Create the packet of the original itself, which travels in a file."""
    assert frame.image_rgb is not None
    header = {"type": "pixels", **frame.describe(), "scale": frame.scale}
    return _put_pixels(header, frame.image_rgb)


def create_input_pixels(frame: LiveFrame) -> Iterator[Packet]:
    """Create a packet for each region's input itself, which travels in a file."""
    for region in frame.regions:
        header = {"type": "input_pixels", **frame.describe(), "region": region.name}
        yield _put_pixels(header, region.input_rgb)


def _put_pixels(header: Mapping[str, object], image_rgb: Image) -> Packet:
    height, width, _ = image_rgb.shape
    fields = {"media": "image/x-rgb", "width": width, "height": height}
    return Packet({**header, **fields}, image_rgb.data, in_file=True)


def create_inputs(frame: LiveFrame) -> Iterator[Packet]:
    """Create a packet for each region's input: a PNG file, so each pixel is as it was."""
    for region in frame.regions:
        height, width, _ = region.input_rgb.shape
        png = encode_png(region.input_rgb)
        shape = {"region": region.name, "width": width, "height": height}
        yield Packet({"type": "input", **frame.describe(), "media": "image/png", **shape}, png)


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
    return None if scores is None else [round(float(score), 4) for score in scores]
