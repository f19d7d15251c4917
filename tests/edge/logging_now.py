"""Helpers for the tests that write a log."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from vedette_edge.log.reader import Damage, LoggedRecord, read_records
from vedette_edge.log.records import format_timestamp
from vedette_edge.log.rotation import LogLimits

# Fast, and without effect unless a test changes them.
LIMITS = LogLimits(total_bytes=10**9, day_bytes=10**9, flush_s=0.01, sync=False)
FAILING = "cannot be written ("
WORKS = "can be written again"
FOREIGN = b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 100  # a video, for example


def create_change(number: int, **fields: object) -> dict[str, object]:
    return {
        "time": format_timestamp(),
        "event": "change",
        "label": "fox",
        "number": number,
        **fields,
    }


def read_log(path: Path) -> list[LoggedRecord]:
    """Read all records; none may be damaged."""
    damage = Damage()
    records = list(read_records(path, damage))
    assert damage.lines == 0
    return records


def read_numbers(path: Path) -> list[object]:
    return [record.fields["number"] for record in read_log(path) if "number" in record.fields]


def wait_until(condition: Callable[[], bool]) -> None:
    limit_s = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < limit_s
        time.sleep(0.01)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "watch.jsonl"
