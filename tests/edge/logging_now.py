"""What the tests of writing a log share."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from vedette_edge.log.reader import Damage, LoggedRecord, read_records
from vedette_edge.log.records import format_timestamp
from vedette_edge.log.rotation import LogLimits

# Fast, and never in the way unless a test says so.
LIMITS = LogLimits(total_bytes=10**9, day_bytes=10**9, flush_s=0.01, sync=False)
FAILING = "cannot be written ("
WORKS = "can be written again"


class Said(list[str]):
    """What a log told the user."""

    def has(self, text: str) -> bool:
        return any(text in line for line in self)


def change(number: int, **fields: object) -> dict[str, object]:
    return {
        "time": format_timestamp(),
        "event": "change",
        "label": "fox",
        "number": number,
        **fields,
    }


def logged(path: Path) -> list[LoggedRecord]:
    """All records; none may be damaged."""
    damage = Damage()
    records = list(read_records(path, damage))
    assert damage.lines == 0
    return records


def numbers(path: Path) -> list[object]:
    return [record.fields["number"] for record in logged(path) if "number" in record.fields]


def wait_until(true: Callable[[], bool]) -> None:
    limit_s = time.monotonic() + 60
    while not true():
        assert time.monotonic() < limit_s
        time.sleep(0.01)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "watch.jsonl"
