"""The messages of devices, parsed and bounded. Anybody may have sent them.

Raises ProtocolError for each that is not valid.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from vedette_edge.errors import ImageError, ProtocolError
from vedette_edge.images.image_header import count_pixels, detect_format
from vedette_edge.mqtt.discovery import EXPIRE_BEATS

LONGEST = 100  # characters of a text
LONGEST_URL = 200
MOST_TOPIC = 300  # characters
MOST_PICTURE_BYTES = 64 * 1024
MOST_PICTURE_PIXELS = 4_000_000  # that a browser has to decode
NOW = " now"  # how the present causes end in a heartbeat's `throttled`
LOSSES = ("dropped", "failed", "left_out")  # counters of records and messages that were lost
_LATEST = 1e11  # s since the epoch, in the year 5138


@dataclass(frozen=True, slots=True)
class LabelState:
    """The label of a region."""

    region: str  # empty for the whole frame
    label: str  # empty: none yet
    score: float | None  # 0..1
    since: float | None  # s since the epoch, by the device's clock


@dataclass(frozen=True, slots=True)
class Health:
    """A heartbeat of a device; None for what it does not say."""

    at: float | None = None  # s since the epoch, by the device's clock
    camera: bool | None = None
    reason: str = ""  # why the camera is lost
    lost_s: float | None = None  # how long it has been
    fps: float | None = None
    temperature_c: float | None = None
    throttled: tuple[str, ...] = ()  # causes at the moment
    losses: int = 0  # records and messages since the start
    log_fails: bool = False
    model: str = ""  # name of its file
    page: str = ""  # URL


@dataclass(frozen=True, slots=True)
class Description:
    """A device as it describes itself to Home Assistant; empty for what it does not say."""

    name: str = ""
    hardware: str = ""
    version: str = ""
    page: str = ""  # URL
    heartbeat_s: float | None = None  # None: it sends none
    available: str = ""  # topic that tells whether it is online


@dataclass(frozen=True, slots=True)
class Picture:
    """A JPEG file, and a name that another one does not have."""

    jpeg: bytes
    name: str


def parse_available(payload: bytes) -> bool:
    """Parse whether a device is online."""
    if payload not in (b"online", b"offline"):
        raise ProtocolError("neither online nor offline")
    return payload == b"online"


def parse_label(payload: bytes) -> LabelState:
    """Parse the label of a region."""
    fields = _parse_object(payload)
    score = _get_number(fields, "score", 0.0, 1.0)
    since = _parse_time(fields.get("since"))
    return LabelState(_get_text(fields, "region"), _get_text(fields, "label"), score, since)


def parse_health(payload: bytes) -> Health:
    """Parse a heartbeat."""
    fields = _parse_object(payload)
    camera = fields.get("camera")
    throttled = _get_text(fields, "throttled").split(", ")
    log = fields.get("log")
    return Health(
        at=_parse_time(fields.get("time")),
        camera=camera if isinstance(camera, bool) else None,
        reason=_get_text(fields, "reason"),
        lost_s=_get_number(fields, "lost_s", 0.0, 1e9),
        fps=_get_number(fields, "fps", 0.0, 1e5),
        temperature_c=_get_number(fields, "temperature_c", -100.0, 200.0),
        throttled=tuple(one.removesuffix(NOW) for one in throttled if one.endswith(NOW)),
        losses=_count_losses(log) + sum(map(_count_losses, _list_values(fields.get("outputs")))),
        log_fails=isinstance(log, dict) and bool(log.get("failing_since")),
        model=_get_text(fields, "model"),
        page=_get_url(fields, "page"),
    )


def parse_paused(payload: bytes) -> bool:
    """Parse whether a watch is paused, from its settings."""
    return _parse_object(payload).get("paused") is True


def parse_description(payload: bytes) -> Description:
    """Parse the description of a device for Home Assistant."""
    fields = _parse_object(payload)
    device, parts = fields.get("dev"), fields.get("cmps")
    if not (isinstance(device, dict) and isinstance(parts, dict)):
        raise ProtocolError("no description of a device")
    camera = parts.get("camera")
    expiry = _get_number(camera, "exp_aft", 1.0, 1e6) if isinstance(camera, dict) else None
    return Description(
        _get_text(device, "name"),
        _get_text(device, "mdl"),
        _get_text(device, "sw"),
        _get_url(device, "cu"),
        expiry / EXPIRE_BEATS if expiry else None,
        _find_available(fields),
    )


def _find_available(fields: Mapping[str, Any]) -> str:
    try:
        return str(fields["avty"][0]["t"])[:MOST_TOPIC]
    except (LookupError, TypeError):
        return ""


def parse_picture(payload: bytes) -> Picture:
    """Parse a JPEG file: its size only, for it is the browser that decodes it."""
    try:
        is_small = count_pixels(payload) <= MOST_PICTURE_PIXELS
    except ImageError as error:
        raise ProtocolError(str(error)) from error
    if not (detect_format(payload) == "JPEG" and is_small and len(payload) <= MOST_PICTURE_BYTES):
        raise ProtocolError("no JPEG, or one that is too large")
    return Picture(payload, hashlib.sha256(payload).hexdigest()[:12])


def _parse_object(payload: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("no JSON") from error
    if not isinstance(fields, dict):
        raise ProtocolError("no JSON object")
    return fields


def _get_text(fields: Mapping[str, Any], name: str, longest: int = LONGEST) -> str:
    """Get a text, cut, without characters that would not show, or would turn others around."""
    text = fields.get(name)
    if not isinstance(text, str):
        return ""
    shown = "".join(one if one.isprintable() else " " for one in text[:longest])
    return shown.strip()


def _get_number(fields: Mapping[str, Any], name: str, low: float, high: float) -> float | None:
    value = fields.get(name)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and low <= value <= high else None  # type: ignore[operator,arg-type]


def _get_url(fields: Mapping[str, Any], name: str) -> str:
    """Get the URL of a page; empty for all that a browser would not open as one."""
    text = _get_text(fields, name, LONGEST_URL + 1)
    try:
        parts = urlsplit(text)
    except ValueError:
        return ""
    is_page = parts.scheme in ("http", "https") and parts.hostname and not parts.username
    return text if is_page and len(text) <= LONGEST_URL else ""


def _parse_time(text: object) -> float | None:
    if not isinstance(text, str):
        return None
    try:
        at = datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return None
    return at if math.isfinite(at) and 0 <= at < _LATEST else None


def _count_losses(counters: object) -> int:
    if not isinstance(counters, dict):
        return 0
    return int(sum(_get_number(counters, name, 0, 1e12) or 0 for name in LOSSES))


def _list_values(fields: object) -> list[object]:
    return list(fields.values()) if isinstance(fields, dict) else []
