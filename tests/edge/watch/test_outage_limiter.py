"""A camera that comes and goes does not fill the log, but a long outage is in it."""

from collections.abc import Mapping

from vedette_edge.cameras.config import CameraEvent
from vedette_edge.watch.reporter import WatchReporter

OUTAGE = ["camera_lost", "camera_opened", "camera_restored"]
END = [CameraEvent("looked"), CameraEvent("opened"), CameraEvent("restored", lost_s=1.0)]


class Log:
    """A sink that keeps its records, and a reporter that writes to it at a time."""

    def __init__(self) -> None:
        self.now_s, self.records = 0.0, list[Mapping[str, object]]()
        self.reporter = WatchReporter(
            self, "camera", lambda: 0, continuous=True, clock=lambda: self.now_s
        )

    def write(self, record: Mapping[str, object]) -> None:
        self.records.append(record)

    def report(self, *events: CameraEvent) -> None:
        for event in events:
            self.now_s += 0.5
            self.reporter.report(event)

    def take_events(self) -> list[object]:
        events = [record["event"] for record in self.records]
        self.records.clear()
        return events


def test_the_first_outages_of_an_hour_are_reported_and_then_a_count() -> None:
    log = Log()
    for number in range(3 * 1800):  # one in 2 s
        log.report(CameraEvent("lost", f"loss {number}"), *END)
    reasons = [str(one["reason"]) for one in log.records if one["event"] == "camera_lost"]
    assert log.take_events() == OUTAGE * 360
    assert [reason for reason in reasons if ";" in reason] == [
        "loss 1800; 1680 more since the last message",
        "loss 3600; 1680 more since the last message",
    ]


def test_a_further_outage_is_reported_when_it_lasts() -> None:
    log = Log()
    for _ in range(200):
        log.report(CameraEvent("lost", "a short one"), *END)
    log.take_events()
    log.report(CameraEvent("lost", "a long one"))
    for _ in range(2 * 59):
        log.report(CameraEvent("looked"))
    assert not log.records
    for _ in range(2 * 3600):
        log.report(CameraEvent("looked"))
    (record,) = log.records
    assert record["reason"] == "a long one; 80 more since the last message"
    log.report(*END)
    assert log.take_events() == OUTAGE
