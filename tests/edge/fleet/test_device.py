"""The state of a device, and when it counts as being in trouble."""

import json
from dataclasses import replace

import pytest

from vedette_edge.errors import ProtocolError
from vedette_edge.fleet.device import (
    HOT_C,
    MOST_REGIONS,
    SILENT_S,
    Arrival,
    DeviceState,
    Moment,
    Problem,
    list_problems,
    rank_problems,
    take_arrival,
)
from vedette_edge.fleet.messages import Description

BEGIN = Moment(1_800_000_000.0, 100.0)


def later(seconds: float) -> Moment:
    return Moment(BEGIN.at + seconds, BEGIN.monotonic_s + seconds)


def take(
    state: DeviceState | None, part: str, payload: object, at_s: float = 0, **fields: object
) -> DeviceState:
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    arrival = Arrival(part, "", data, retained=False, moment=later(at_s))
    return take_arrival(state or DeviceState("pi", BEGIN), replace(arrival, **fields))  # type: ignore[arg-type]


def kinds(state: DeviceState, at_s: float = 0) -> list[str]:
    return [one.kind for one in list_problems(state, later(at_s))]


def test_a_device_of_which_nothing_is_known_is_not_in_trouble() -> None:
    assert list_problems(DeviceState("pi", BEGIN), BEGIN) == []


def test_a_device_is_offline_since_it_went_offline() -> None:
    state = take(take(None, "available", b"online"), "available", b"offline", at_s=5)
    assert list_problems(state, later(9)) == [Problem("offline", "Offline", BEGIN.at + 5)]
    again = take(state, "available", b"offline", at_s=8)
    assert list_problems(again, later(9))[0].since == BEGIN.at + 5
    assert kinds(take(again, "available", b"online", at_s=10), 10) == []


def test_nobody_knows_since_when_a_device_is_offline_that_was_so_before() -> None:
    state = take(None, "available", b"offline", retained=True)
    assert list_problems(state, BEGIN) == [Problem("offline", "Offline")]


def test_a_device_that_is_offline_has_no_other_trouble() -> None:
    state = take(None, "health", {"camera": False, "temperature_c": 99, "throttled": "x now"})
    assert kinds(take(state, "available", b"offline"), 10 * SILENT_S) == ["offline"]


def test_a_camera_is_lost_since_it_was_lost_and_keeps_its_reason() -> None:
    state = take(None, "health", {"camera": False, "reason": "unplugged"}, at_s=0)
    state = take(state, "health", {"camera": False, "lost_s": 60}, at_s=60)
    (problem,) = list_problems(state, later(60))
    assert problem == Problem("camera", "Camera lost", BEGIN.at, "unplugged")
    assert kinds(take(state, "health", {"camera": True}, at_s=61), 61) == []


def test_a_camera_that_was_lost_before_is_lost_by_the_devices_clock() -> None:
    health = {"camera": False, "lost_s": 100, "time": "2026-11-26T20:05:07Z"}
    state = take(None, "health", health, retained=True)
    assert list_problems(state, BEGIN)[0].since == 1795723507 - 100


def test_a_device_is_silent_after_three_heartbeats_that_do_not_come() -> None:
    described = DeviceState("pi", BEGIN, description=Description(heartbeat_s=60.0))
    for state in (described, DeviceState("pi", BEGIN)):
        assert kinds(state, SILENT_S) == []
        assert kinds(state, SILENT_S + 1) == ["silent"]
        heard = take(state, "state", {"label": "fox"}, at_s=SILENT_S)
        assert kinds(heard, SILENT_S + 1) == []
        kept = take(state, "state", {"label": "fox"}, at_s=SILENT_S, retained=True)
        assert kinds(kept, SILENT_S + 1) == ["silent"]


def test_a_device_that_sends_no_heartbeats_is_never_silent() -> None:
    assert kinds(DeviceState("pi", BEGIN, description=Description()), 1e6) == []


@pytest.mark.parametrize(
    ("health", "expected"),
    [
        ({"temperature_c": HOT_C}, ["hot"]),
        ({"temperature_c": HOT_C - 0.1}, []),
        ({"throttled": "under-voltage now, throttled before"}, ["throttled"]),
        ({"throttled": "under-voltage before"}, []),
        ({"log": {"failing_since": "2026-11-26T20:05:07Z"}}, ["losses"]),
        ({"outputs": {"mqtt": {"dropped": 5}}}, []),  # some time, not now
    ],
)
def test_what_a_heartbeat_says_is_trouble_or_not(
    health: dict[str, object], expected: list[str]
) -> None:
    assert kinds(take(None, "health", health)) == expected


def test_losses_are_trouble_while_they_grow() -> None:
    beats = [
        {"time": "2026-11-26T20:05:07Z", "outputs": {"mqtt": {"dropped": n}}} for n in (1, 3, 3)
    ]
    first = take(None, "health", beats[0])
    second = take(first, "health", beats[1])
    third = take(second, "health", beats[2])
    assert [kinds(one) for one in (first, second, third)] == [[], ["losses"], []]


def test_the_worst_comes_first_and_of_the_same_kind_the_newest() -> None:
    ranks = [
        rank_problems(problems)
        for problems in (
            [Problem("offline", "", 9.0)],
            [Problem("offline", "", 5.0)],
            [Problem("offline", "")],
            [Problem("losses", ""), Problem("camera", "")],
            [Problem("silent", "")],
            [Problem("hot", "")],
            [Problem("losses", "")],
            [],
        )
    ]
    assert ranks == sorted(ranks)


def test_a_device_has_a_bounded_number_of_regions() -> None:
    state = DeviceState("pi", BEGIN)
    for number in range(MOST_REGIONS):
        state = take(state, "state", {"label": "fox"}, region=f"r{number}")
    with pytest.raises(ProtocolError):
        take(state, "state", {"label": "fox"}, region="more")
    assert len(take(state, "state", {"label": "hen"}, region="r0").labels) == MOST_REGIONS
