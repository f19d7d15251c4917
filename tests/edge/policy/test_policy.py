"""The policy: each key of a rule, alone and together, and thirty days with clocks that change."""

import random
from datetime import datetime
from itertools import pairwise

import pytest
from tests.edge.policy.world import DAY_S, World

from vedette_edge.log.records import Record, create_record
from vedette_edge.policy.policy import Occurrence


def test_a_rule_without_conditions_lets_every_change_through() -> None:
    world = World({"snapshot": True})
    for label in ("fox", "hen", "unknown", "fox"):
        (sent,) = world.change(label)
        assert sent.rule.snapshot
        assert sent.occurrence.record["label"] == label
    for event in ("heartbeat", "start", "camera_lost", "frame", "note"):
        assert not world.add(create_record(event))


def test_labels_and_events_select() -> None:
    world = World({"label": ["fox", "unknown"]}, {"event": "camera_lost"})
    assert world.change("fox")
    assert not world.change("hen")
    assert world.change("unknown")
    (sent,) = world.add(create_record("camera_lost"))
    assert sent.rule.event == "camera_lost"
    assert not world.add(create_record("camera_restored"))


def test_a_score_is_reached_by_the_frame_of_the_change_or_later() -> None:
    world = World({"label": "fox", "score": 0.8})
    record = create_record("change", world.wall) | {"label": "fox", "score": 0.52}
    assert world.add(record | {"frame_score": 0.97})
    assert not world.policy.waits_for_score
    assert not world.add(record | {"frame_score": 0.6})
    assert world.policy.waits_for_score

    def describe(before: Record) -> Occurrence:
        return Occurrence(before | {"frame": 7})

    assert not world.policy.add_score("", 0.79, describe)
    assert not world.policy.add_score("door", 0.9, describe)
    (sent,) = world.policy.add_score("", 0.8, describe)
    assert sent.occurrence.record["frame"] == 7
    assert not world.policy.add_score("", 0.9, describe)
    assert not world.policy.waits_for_score


def test_a_label_must_stand_for_a_time_in_its_own_region() -> None:
    world = World({"label": "fox", "for": 5})
    assert not world.change("fox", region="door")
    assert not world.pass_time(4.9)
    assert not world.change("hen", region="nest")
    (sent,) = world.pass_time(0.1)
    assert sent.occurrence.record["region"] == "door"
    assert not world.pass_time(60)
    assert not world.change("fox", region="door")
    world.pass_time(3)
    assert not world.change("empty", region="door")
    assert not world.pass_time(60)


def test_a_camera_must_be_lost_for_a_time() -> None:
    world = World({"event": "camera_lost", "for": 60})
    assert not world.add(create_record("camera_lost"))
    world.pass_time(30)
    assert not world.add(create_record("camera_restored"))
    assert not world.pass_time(100)
    assert not world.add(create_record("camera_lost"))
    assert not world.change("fox")
    assert world.pass_time(60)


def test_a_cooldown_holds_back_whatever_the_label() -> None:
    world = World({"cooldown": 600})
    assert world.change("fox")
    world.pass_time(599)
    assert not world.change("hen")
    world.pass_time(1)
    assert world.change("fox")


@pytest.mark.parametrize("step_s", [-7200, 7200, -40 * 365 * DAY_S])
def test_a_clock_that_is_set_neither_ends_nor_extends_a_cooldown(step_s: float) -> None:
    world = World({"cooldown": 600})
    assert world.change("fox")
    world.wall += step_s
    world.pass_time(300)
    assert not world.change("hen")
    world.pass_time(300)
    assert world.change("fox")


@pytest.mark.parametrize(
    ("first", "short_s", "long_s"),
    [("hour", 1800, 3600), ("day", 3 * 3600, DAY_S), ("ever", 400 * DAY_S, 0)],
)
def test_the_first_of_each_label_in_a_period_is_sent(
    first: str, short_s: float, long_s: float
) -> None:
    world = World({"first": first})
    assert world.change("fox")
    assert world.change("hen")
    assert not world.change("fox")
    world.pass_time(short_s)
    assert not world.change("fox")
    if long_s:
        world.pass_time(long_s - short_s)
        assert world.change("fox")


def test_a_clock_that_was_ahead_misses_no_first() -> None:
    world = World({"first": "day"})
    world.wall += 3 * DAY_S
    assert world.change("fox")
    world.wall -= 3 * DAY_S
    assert world.change("fox")
    world.pass_time(3 * DAY_S)
    assert world.change("fox")


def test_a_first_within_a_cooldown_is_sent_when_it_ends() -> None:
    world = World({"first": "day", "cooldown": 600})
    world.wall = datetime(2026, 11, 26, 23, 58).timestamp()
    assert world.change("fox")
    world.pass_time(180)
    assert not world.change("fox")
    assert not world.change("fox")
    world.change("empty")
    assert not world.pass_time(419)
    (sent,) = world.pass_time(1)
    assert sent.occurrence.record["label"] == "fox"
    assert sent.occurrence.record["time"].startswith("2026-11-27")
    assert not world.pass_time(599)  # "empty" came first in the same cooldown
    (sent,) = world.pass_time(1)
    assert sent.occurrence.record["label"] == "empty"


def test_many_firsts_wait_for_a_cooldown_and_none_is_missed() -> None:
    world = World({"first": "day", "cooldown": 600, "snapshot": True})
    labels = [f"label {number}" for number in range(100)]
    sent = [one.occurrence.label for label in labels for one in world.change(label)]
    for _ in labels:
        sent += [one.occurrence.label for one in world.pass_time(600)]
    assert sent == labels


def test_of_firsts_that_wait_only_the_latest_keep_their_pictures() -> None:
    world = World({"first": "day", "cooldown": 600, "snapshot": True})
    record = create_record("change", world.wall) | {"score": 0.9}
    for number in range(40):
        world.policy.add(Occurrence(record | {"label": f"label {number}"}, f"picture {number}"))
    sent = [one.occurrence.snapshot for _ in range(39) for one in world.pass_time(600)]
    assert sent == [None] * 7 + [f"picture {number}" for number in range(8, 40)]


def test_of_a_label_only_the_latest_first_waits_for_a_cooldown() -> None:
    world = World({"first": "hour", "cooldown": 5 * 3600})
    assert world.change("fox")
    for number in range(4):
        world.pass_time(3600)
        assert not world.change("fox", score=number / 10)
    (sent,) = world.pass_time(3600)
    assert sent.occurrence.record["score"] == 0.3
    assert not world.pass_time(48 * 3600)


@pytest.mark.parametrize(
    ("hours", "clock", "expected"),
    [
        ("20:00-07:00", "19:59", False),
        ("20:00-07:00", "20:00", True),
        ("20:00-07:00", "06:59", True),
        ("20:00-07:00", "07:00", False),
        ("7:00-20:00", "07:00", True),
        ("7:00-20:00", "20:00", False),
        ("00:00-24:00", "23:59", True),
    ],
)
def test_hours_are_local_and_may_span_midnight(hours: str, clock: str, expected: bool) -> None:
    world = World({"hours": hours})
    hour, minute = map(int, clock.split(":"))
    world.wall = datetime(2026, 11, 26, hour, minute).timestamp()
    assert bool(world.change("fox")) is expected


def test_a_first_that_waits_for_a_cooldown_is_not_sent_outside_the_hours() -> None:
    world = World({"first": "day", "cooldown": 3600, "hours": "08:00-20:00"})
    world.wall = datetime(2026, 11, 26, 19, 58).timestamp()
    assert world.change("fox")
    world.pass_time(60)
    assert not world.change("hen")
    assert not world.pass_time(2 * 3600)
    assert not world.pass_time(10 * 3600 - 1)
    (sent,) = world.pass_time(61)
    assert sent.occurrence.record["label"] == "hen"


@pytest.mark.usefixtures("berlin")
def test_an_hour_that_comes_twice_has_two_firsts() -> None:
    world = World({"first": "hour"}, {"first": "day"})
    world.wall = datetime(2026, 10, 25, 2, 30).timestamp()
    assert len(world.change("fox")) == 2
    assert not world.change("fox")
    world.pass_time(3600)
    assert datetime.fromtimestamp(world.wall).hour == 2
    (sent,) = world.change("fox")
    assert sent.rule.first == "hour"


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("cooldown_s", [0.0, 600.0, 2 * 3600.0])
def test_thirty_days_have_no_two_within_a_cooldown_and_miss_no_first_of_a_day(
    seed: int, cooldown_s: float
) -> None:
    """Through the end of summer time, clocks that are set, and restarts of the watch."""
    chance = random.Random(seed)
    world = World({"label": "fox", "first": "day", "cooldown": cooldown_s})
    world.wall = datetime(2026, 10, 10, 6, 0).timestamp()
    sent: list[tuple[float, str]] = []  # when, and the time of the record
    firsts: list[tuple[float, str]] = []
    last_day = ""
    while world.boot_s < 30 * DAY_S:
        for one in world.pass_time(chance.choice([5.0, 60.0, 600.0, 7200.0])):
            sent.append((world.boot_s, one.occurrence.record["time"]))
        if chance.random() < 0.01:
            world.wall += chance.choice([-DAY_S, -3600.0, -90.0, 90.0, 3600.0, DAY_S])
        if chance.random() < 0.01 and len(sent) == len(firsts):  # none waits
            world.restart(world.rules)
        day = datetime.fromtimestamp(world.wall).date().isoformat()
        label = chance.choice(["fox", "hen"])
        notifications = world.change(label)
        if label == "fox" and day != last_day:
            last_day = day
            firsts.append((world.boot_s, create_record("change", world.wall)["time"]))
        sent += [(world.boot_s, one.occurrence.record["time"]) for one in notifications]
    for _ in range(40):
        for one in world.pass_time(max(cooldown_s, 1.0)):
            sent.append((world.boot_s, one.occurrence.record["time"]))
    assert len(firsts) >= 30
    moments = [moment for moment, _ in sent]
    assert all(b - a >= cooldown_s for a, b in pairwise(moments))
    assert [record_time for _, record_time in sent] == [one for _, one in firsts]
