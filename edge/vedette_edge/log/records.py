"""Records: JSON objects, one per line, that a watch writes."""

import time
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


def create_record(event: str, at: float | None = None) -> Record:
    """Create a record with its first fields; `at` is in seconds since the epoch, now by default."""
    return {"time": format_timestamp(at), "event": event}
