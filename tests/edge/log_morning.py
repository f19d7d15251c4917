"""A morning in a log, for the tests that read it."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from vedette_edge.__main__ import main
from vedette_edge.log.records import format_timestamp

DAY = date(2025, 11, 22)
AT = datetime(2025, 11, 22, 8, tzinfo=UTC).timestamp()


@pytest.fixture(autouse=True)
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time is an hour ahead of UTC, wherever the test runs."""
    monkeypatch.setenv("TZ", "XXX-1")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def format_line(at: float, event: str, **fields: object) -> str:
    return json.dumps({"time": format_timestamp(at), "event": event, **fields}) + "\n"


def format_change(
    at: float, label: str, previous: str = "", lasted_s: float = 0, **fields: object
) -> str:
    score = {"score": 0.91}
    return format_line(
        at, "change", label=label, previous=previous, lasted_s=lasted_s, **score | fields
    )


MS = {"capture": 3, "invoke": 2.5}
MORNING = [
    format_line(AT, "start", model="model.tflite", camera="picamera2"),
    format_line(AT + 1, "camera_opened", camera="640x480 BGR888, 10 frames/s"),
    format_change(AT + 2, "none", region="door"),
    format_line(AT + 60, "heartbeat", up_s=60, frames=600, fps=10.0, state={"door": "none"}),
    format_change(AT + 722, "fox", "none", 720, region="door", previous_score=0.994),
    format_line(AT + 723, "camera_lost", camera="picamera2", reason="no frame for 10 s"),
    format_line(AT + 783, "camera_restored", camera="picamera2", lost_s=60.2),
    format_change(AT + 800, "hen", "", region="nest"),
    format_line(
        AT + 801, "frame", frame=9, label="hen", score=0.5, ms={"capture": 3, "invoke": 2.5}
    ),
    format_line(AT + 900, "stop", reason="SIGTERM"),
]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "watch.jsonl"
    (tmp_path / "watch.000009.jsonl").write_text("".join(MORNING[:2]), encoding="utf-8")
    (tmp_path / "watch.000010.jsonl").write_text("".join(MORNING[2:5]), encoding="utf-8")
    path.write_text("".join(MORNING[5:]), encoding="utf-8")
    return path


def run_log(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(main, ["log", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def append(path: Path, *lines: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write("".join(lines))
