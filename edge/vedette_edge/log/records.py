"""Records: what a watch writes, each a line of JSON."""

import time
from datetime import UTC, datetime
from typing import Any


def format_timestamp(seen_at: float | None = None) -> str:
    """A moment in seconds since the epoch (default: now) as records write it: ISO 8601, UTC."""
    moment = datetime.fromtimestamp(time.time() if seen_at is None else seen_at, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


Record = dict[str, Any]


def create_record(event: str, at: float | None = None) -> Record:
    """A record's first fields; `at` is in seconds since the epoch, now by default."""
    return {"time": format_timestamp(at), "event": event}
