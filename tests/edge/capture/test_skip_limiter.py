"""A flood of skipped images becomes a message a minute."""

import pytest
from tests.edge.conftest import EventLog

from vedette_edge.cameras.config import CameraConfig, CameraEvent
from vedette_edge.capture.skip_limiter import SkipLimiter
from vedette_edge.capture.worker import limits_skips


def test_the_first_is_reported_and_then_a_count_once_a_minute(event_log: EventLog) -> None:
    now_s = 0.0
    limiter = SkipLimiter(event_log.add, lambda: now_s)
    for number in range(10_000):
        now_s = number / 100
        limiter.report(CameraEvent("skipped_file", f"skipped {number}"))
    assert event_log.details("skipped_file") == [
        "skipped 0",
        "skipped 6000; 5999 more since the last message",
    ]
    limiter.report(CameraEvent("opened"))
    assert event_log.kinds()[-1] == "opened"
    now_s = 119.0
    limiter.report_due()
    assert len(event_log.events) == 3
    now_s = 121.0
    limiter.report_due()
    limiter.close()
    assert event_log.details("skipped_file")[2:] == [
        "skipped 9999; 3998 more since the last message"
    ]


def test_the_last_count_comes_with_the_next_look(event_log: EventLog) -> None:
    now_s = 0.0
    limiter = SkipLimiter(event_log.add, lambda: now_s)
    for number in range(5):
        limiter.report(CameraEvent("skipped_file", f"skipped {number}"))
    for _ in range(9):
        now_s += 10
        limiter.report(CameraEvent("looked"))
    assert event_log.details("skipped_file") == [
        "skipped 0",
        "skipped 4; 3 more since the last message",
    ]


@pytest.mark.parametrize(
    ("config", "limited"),
    [
        (CameraConfig("-"), True),
        (CameraConfig("-:raw:4x4"), True),
        (CameraConfig("folder", follow=True), True),
        (CameraConfig("folder"), False),  # each file is named, as by `vedette predict`
    ],
)
def test_sources_without_an_end_are_limited(config: CameraConfig, limited: bool) -> None:
    assert limits_skips(config) == limited
