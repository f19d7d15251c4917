"""Views: a frame of the watch, the input, the scores and the label, all of the same moment."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from vedette_edge.capture.region import parse_region
from vedette_edge.errors import ProtocolError, SettingError
from vedette_edge.images.encoding import encode_jpeg_within, encode_png
from vedette_edge.live.client import load_pixels
from vedette_edge.live.frame import FRAME_PX
from vedette_edge.live.protocol import Packet
from vedette_edge.page.explanation import explain_label

LARGEST_JPEG = 250_000  # bytes


@dataclass(frozen=True)
class WatchInfo:
    """A watch as it introduces itself."""

    fields: Mapping[str, Any]  # of its `hello` packet

    @cached_property
    def labels(self) -> list[str]:
        """The labels, in the order of the scores."""
        return list(map(str, self.fields.get("labels", ())))

    @cached_property
    def thresholds(self) -> list[float]:
        """The contract's threshold of each label, 0..1."""
        thresholds = self.fields.get("thresholds", ())
        return list(map(float, thresholds)) or [0.0] * len(self.labels)

    @property
    def regions(self) -> list[str]:
        """The names of the regions; an empty one for the whole frame."""
        return list(map(str, self.fields.get("regions", ("",))))

    def describe(self) -> dict[str, object]:
        """The fields that a browser needs."""
        settings = self.fields.get("settings", {})
        areas = [_describe_area(text) for text in settings.get("regions", ())]
        shown = {name: self.fields.get(name) for name in ("model", "camera", "labels")}
        return {**shown, "areas": areas, "thresholds": self.thresholds}


def _describe_area(text: str) -> dict[str, object]:
    try:
        region = parse_region(text)
    except SettingError:
        return {}
    x, y, width, height = region.x, region.y, region.width, region.height
    return {"name": region.name, "x": x, "y": y, "width": width, "height": height}


@dataclass(frozen=True)
class View:
    """A frame and how the watch came to its labels."""

    state: Mapping[str, Any]  # JSON: of a `state` packet, with explanations
    jpeg: bytes = b""  # of the whole frame; empty if nobody asked for it
    inputs: Mapping[str, bytes] = field(default_factory=dict)  # PNG files, by region

    @cached_property
    def message(self) -> str:
        """The view without pictures, as JSON."""
        return json.dumps(self.state, separators=(",", ":"))

    @cached_property
    def full_message(self) -> str:
        """The view with its pictures as `data:` URIs, as JSON."""
        inputs = {name: _to_uri("png", png) for name, png in self.inputs.items()}
        pictures = {"picture": _to_uri("jpeg", self.jpeg), "inputs": inputs}
        return json.dumps({**self.state, **pictures}, separators=(",", ":"))


def _to_uri(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def create_view(info: WatchInfo, packets: Sequence[Packet]) -> View | None:
    """Create the view of the packets of one frame. Compresses its picture, which takes a while.

    None if a newer frame has taken the place of the picture. Raises ProtocolError if they are not
    those of a frame.
    """
    state, picture, inputs = dict[str, Any](), b"", dict[str, bytes]()
    for packet in packets:
        if packet.header.get("type") == "state":
            state |= _explain(info, packet.header)
        elif (image_rgb := load_pixels(packet)) is None:
            return None
        elif packet.header.get("type") == "input_pixels":
            inputs[str(packet.header.get("region", ""))] = encode_png(image_rgb)
        else:
            state |= {name: packet.header.get(name) for name in ("width", "height", "scale")}
            picture = encode_jpeg_within(image_rgb, LARGEST_JPEG, FRAME_PX)
    return View(state, picture, inputs)


def _explain(info: WatchInfo, header: Mapping[str, Any]) -> dict[str, Any]:
    """Add a sentence for each region. Raises ProtocolError."""
    try:
        regions = [
            {**one, "explanation": explain_label(one, info.labels, info.thresholds)}
            for one in header["regions"]
        ]
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise ProtocolError(f"a state that is not valid: {error}") from error
    return {**header, "regions": regions}
