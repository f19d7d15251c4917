"""Records: JSON objects, one per line, that a watch writes."""

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

Record = dict[str, Any]
EVENTS = frozenset(
    "start stop camera_opened camera_lost camera_restored change frame heartbeat note".split()
)


def format_timestamp(at: float | None = None) -> str:
    """Format seconds since the epoch (default: now) for a record: ISO 8601, UTC."""
    moment = datetime.fromtimestamp(time.time() if at is None else at, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def find_score(record: Mapping[str, Any]) -> float:
    """Find the score that a person means: of the frame of a change alone, if it is known.

    The smoothed one is that of the turn, little more than `enter`.
    """
    return float(record.get("frame_score", record.get("score", 0.0)))


def create_record(event: str, at: float | None = None) -> Record:
    """Create a record with its first fields; `at` is in seconds since the epoch, now by default."""
    return {"time": format_timestamp(at), "event": event}


def encode_record(record: Mapping[str, object]) -> bytes:
    """Encode a record as JSON in UTF-8. Raises TypeError for values that JSON does not know.

    NaN becomes null, and invalid text an escape: JSON has neither.
    """
    try:
        text = _encode_json(record)
    except ValueError:
        text = _encode_json(json.loads(json.dumps(record), parse_constant=lambda _: None))
    return text.encode("utf-8", "backslashreplace")


_encode_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
