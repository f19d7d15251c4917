"""The roster of devices: bounded, in order, and only what belongs to it."""

import json

import pytest
from tests.edge.fleet.devices import draw_jpeg
from tests.edge.mosquitto import make_config

from vedette_edge.fleet import roster as module
from vedette_edge.fleet.roster import MOST_DEVICES, Roster, list_filters
from vedette_edge.mqtt.connection import Received


@pytest.fixture
def roster() -> Roster:
    return Roster(make_config(1883))


def put(roster: Roster, topic: str, payload: object, *, retained: bool = False) -> None:
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    roster.take(Received(topic, data, retained))
    roster.update()


def order(roster: Roster) -> list[str]:
    return roster.list_order()


def test_those_in_trouble_stand_first_and_all_others_by_name(roster: Roster) -> None:
    for name in ("pi-10", "pi-9", "Pi-8", "b", "a"):
        put(roster, f"vedette/{name}/available", b"online")
    assert order(roster) == ["a", "b", "Pi-8", "pi-9", "pi-10"]
    put(roster, "vedette/b/health", {"temperature_c": 85})
    put(roster, "vedette/pi-9/available", b"offline")
    put(roster, "vedette/pi-10/available", b"offline")
    assert order(roster) == ["pi-10", "pi-9", "b", "a", "Pi-8"]
    put(roster, "vedette/pi-10/available", b"online")
    assert order(roster) == ["pi-9", "b", "a", "Pi-8", "pi-10"]


def test_the_order_does_not_depend_on_that_of_the_messages(roster: Roster) -> None:
    other = Roster(make_config(1883))
    names = [f"pi-{number}" for number in range(30)]
    for one, sequence in ((roster, names), (other, names[::-1])):
        for name in sequence:
            state = b"offline" if name.endswith("7") else b"online"
            put(one, f"vedette/{name}/available", state, retained=True)
    assert order(roster) == order(other)
    assert order(roster)[:3] == ["pi-7", "pi-17", "pi-27"]


def test_only_what_changed_is_new(roster: Roster) -> None:
    put(roster, "vedette/a/available", b"online")
    put(roster, "vedette/b/available", b"online")
    version = roster.version
    put(roster, "vedette/b/state", {"label": "fox"})
    assert [one["id"] for one in roster.list_devices(version)] == ["b"]
    assert [one["id"] for one in roster.list_devices()] == ["a", "b"]
    version = roster.version
    put(roster, "vedette/b/state", {"label": "fox"})
    assert roster.list_devices(version) == []


def test_more_devices_than_the_limit_are_counted(
    roster: Roster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_OTHERS", 50)
    for number in range(MOST_DEVICES + 100):
        roster.take(Received(f"vedette/pi-{number}/available", b"online", True))
        roster.take(Received(f"vedette/pi-{number}/available", b"online", True))
    roster.update()
    assert len(roster.list_devices()) == MOST_DEVICES
    assert roster.describe()["more"] == 50
    assert roster.describe()["more_is_all"] is False
    put(roster, "vedette/pi-0/available", b"")
    put(roster, "vedette/new/available", b"online")
    assert "new" in order(roster)


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("vedette/pi/available", b"maybe"),
        ("vedette/<b>/available", b"online"),
        ("vedette/a b/available", b"online"),
        (f"vedette/{'x' * 65}/available", b"online"),
        ("vedette/pi/a/b/state", b"{}"),
        ("vedette/pi/door/available", b"online"),
        ("vedette/pi/health", b"[]"),
        ("vedette/pi/snapshot", b"<svg/>"),
        ("vedette/+/available", b"online"),
    ],
)
def test_what_no_watch_sends_is_ignored_and_counted(
    roster: Roster, topic: str, payload: bytes
) -> None:
    put(roster, topic, payload)
    assert (order(roster), roster.describe()["ignored"]) == ([], 1)


def describe(available: str, **device: object) -> dict[str, object]:
    return {"dev": {"name": "Barn", **device}, "cmps": {}, "avty": [{"t": available}]}


def test_a_description_counts_for_a_device_of_this_fleet_only(roster: Roster) -> None:
    put(roster, "homeassistant/device/vedette_pi/config", describe("other/pi/available"))
    put(roster, "homeassistant/device/zigbee_1/config", describe("zigbee/1"))
    assert (order(roster), roster.describe()["ignored"]) == ([], 0)
    page = "http://barn.local:8470/"
    fields = describe("vedette/pi/available", cu=page, mdl="Raspberry Pi 5")
    put(roster, "homeassistant/device/vedette_pi/config", fields)
    (device,) = roster.list_devices()
    assert (device["name"], device["page"], device["hardware"]) == ("Barn", page, "Raspberry Pi 5")


def test_what_the_broker_forgets_is_gone(roster: Roster) -> None:
    put(roster, "vedette/pi/available", b"online")
    put(roster, "vedette/pi/door/state", {"label": "fox", "region": "door"})
    put(roster, "vedette/pi/yard/state", {"label": "hen", "region": "yard"})
    put(roster, "vedette/pi/door/state", b"")
    assert [one["region"] for one in roster.list_devices()[0]["labels"]] == ["yard"]  # type: ignore[attr-defined]
    put(roster, "vedette/pi/available", b"")
    put(roster, "vedette/pi/health", b"")
    assert order(roster) == []


def test_a_picture_is_the_newest_one(roster: Roster) -> None:
    assert roster.find_picture("pi") is None
    for seed in (1, 2):
        put(roster, "vedette/pi/snapshot", draw_jpeg(seed))
    picture = roster.find_picture("pi")
    assert picture
    assert picture.jpeg == draw_jpeg(2)
    assert roster.list_devices()[0]["picture"] == picture.name


def test_the_filters_are_those_of_the_settings() -> None:
    filters = list_filters(make_config(1883, base="home/cams", prefix="ha"))
    assert {"home/cams/+/available", "home/cams/+/+/state", "ha/device/+/config"} < set(filters)
    assert not any("set" in one.split("/") or "#" in one for one in filters)
