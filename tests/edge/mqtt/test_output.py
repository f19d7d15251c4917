"""The output with a real broker: order, outages, and the end."""

import json
from dataclasses import replace

from tests.edge.mosquitto import (
    DEVICE,
    ROOT,
    Mosquitto,
    list_retained,
    make_config,
    publish,
    subscribe,
    wait_until,
)
from tests.edge.mqtt.outputs import (
    JPEG,
    make_change,
    open_output,
    wait_for_connection,
)

from vedette_edge.log.records import create_record
from vedette_edge.mqtt.device import Device
from vedette_edge.mqtt.topics import make_slug


def test_a_change_is_a_snapshot_then_a_state_then_an_event(broker: Mosquitto) -> None:
    with subscribe(broker.port) as listener, open_output(make_config(broker.port)) as (output, _):
        wait_for_connection(output)
        wait_until(lambda: output.read_counters().sent >= 3)
        wait_until(lambda: f"{ROOT}/available" in listener.topics())
        begin = len(listener.messages)
        for number in range(50):
            output.write(make_change("fox", number), JPEG + bytes([number]))
            wait_until(lambda: output.read_counters().sent >= 3 + 3 * (number + 1))  # noqa: B023
        wait_until(lambda: len(listener.messages) >= begin + 150)
        messages = listener.messages[begin:]
    names = [topic.removeprefix(f"{ROOT}/") for _, topic, _ in messages]
    assert names[:150] == ["snapshot", "state", "event"] * 50
    assert [payload[-1] for _, _, payload in messages[:150:3]] == list(range(50))
    state, event = (json.loads(messages[place][2]) for place in (1, 2))
    assert state.pop("since").endswith("Z")
    assert state == {"label": "fox", "score": 0.9712, "previous": "hen", "region": ""}
    assert event == {
        "event_type": "fox",
        "score": 0.9712,
        "previous": "hen",
        "lasted_s": 12.5,
        "frame": 0,
        "region": "",
    }


def test_labels_have_no_outer_spaces_as_in_the_discovery(broker: Mosquitto) -> None:
    with open_output(make_config(broker.port)) as (output, _), subscribe(broker.port) as listener:
        output.write(make_change("  red fox ", previous=" hen"))
        wait_until(lambda: listener.payloads(f"{ROOT}/event"))
        state = json.loads(listener.payloads(f"{ROOT}/state")[-1])
        event = json.loads(listener.payloads(f"{ROOT}/event")[-1])
    assert (state["label"], state["previous"]) == ("red fox", "hen")
    assert (event["event_type"], event["previous"]) == ("red fox", "hen")


def test_states_are_retained_and_events_are_not(broker: Mosquitto) -> None:
    with open_output(make_config(broker.port)) as (output, _):
        output.write(make_change("fox"), JPEG)
        output.write(create_record("heartbeat") | {"fps": 9.8})
        output.publish_settings({"enter": 0.5, "leave": 0.35, "paused": False})
        wait_until(lambda: len(list_retained(broker.port)) == 6)
        kept = list_retained(broker.port)
    names = ("available", "health", "settings", "snapshot", "state")
    discovery = "homeassistant/device/vedette_door-pi/config"
    assert sorted(kept) == [discovery, *(f"{ROOT}/{name}" for name in names)]
    assert kept[f"{ROOT}/available"] == b"online"
    assert json.loads(kept[f"{ROOT}/health"])["camera"] is True
    assert json.loads(kept[f"{ROOT}/settings"])["leave"] == 0.35
    assert list_retained(broker.port)[f"{ROOT}/available"] == b"offline"


def test_a_new_watch_has_no_label_until_its_first_change(broker: Mosquitto) -> None:
    with open_output(make_config(broker.port)) as (output, _):
        output.write(make_change("fox"), JPEG)
        wait_until(lambda: output.read_counters().sent >= 5)
    assert json.loads(list_retained(broker.port)[f"{ROOT}/state"])["label"] == "fox"
    with subscribe(broker.port) as listener, open_output(make_config(broker.port)):
        wait_until(lambda: b"online" in listener.payloads(f"{ROOT}/available"))
        topics = [topic for retained, topic, _ in listener.messages if not retained]
    assert topics.index(f"{ROOT}/state") < topics.index(f"{ROOT}/available")
    assert json.loads(listener.payloads(f"{ROOT}/state")[-1])["label"] is None


def test_entities_of_labels_that_are_gone_are_removed(broker: Mosquitto) -> None:
    discovery = "homeassistant/device/vedette_door-pi/config"

    def read_entities() -> dict[str, dict[str, object]]:
        entities: dict[str, dict[str, object]] = json.loads(
            list_retained(broker.port).get(discovery, b'{"cmps": {}}')
        )["cmps"]
        return entities

    with open_output(make_config(broker.port)):
        wait_until(lambda: "is_fox" in read_entities())
    other = replace(DEVICE, labels=("hen", "cat"))
    with open_output(make_config(broker.port), other):
        wait_until(lambda: read_entities().get("is_fox") == {"p": "binary_sensor"})
        assert len(read_entities()["is_cat"]) > 1
    with open_output(make_config(broker.port), other):
        wait_until(lambda: "is_fox" not in read_entities())


def test_states_of_regions_that_are_gone_are_removed(broker: Mosquitto) -> None:
    def read_states() -> set[str]:
        topics = list_retained(broker.port)
        return {topic.removeprefix(f"{ROOT}/") for topic in topics if topic.endswith("/state")}

    publish(broker.port, "vedette/other/state", b"{}", "-r")
    publish(broker.port, f"{ROOT}/own/state", b"{}", "-r")
    kept = {"vedette/other/state", "own/state"}
    for regions, states in (
        (("door", "the yard"), {"door/state", f"{make_slug('the yard')}/state"}),
        (("door",), {"door/state"}),
        ((), {"state"}),
    ):
        with open_output(make_config(broker.port), replace(DEVICE, regions=regions)):
            wait_until(lambda states=states: read_states() == states | kept)  # type: ignore[misc]


def test_the_health_follows_a_discovery_after_which_home_assistant_forgets_it(
    broker: Mosquitto,
) -> None:
    discovery, health = "homeassistant/device/vedette_door-pi/config", f"{ROOT}/health"
    with open_output(make_config(broker.port)):
        wait_until(lambda: discovery in list_retained(broker.port))
    other = replace(DEVICE, labels=("hen", "cat"))
    with (
        subscribe(broker.port) as listener,
        open_output(make_config(broker.port), other) as (output, _),
    ):
        output.write(create_record("heartbeat"))
        # The former one, that of this watch, and the same with what it removes.
        wait_until(lambda: len(listener.payloads(discovery)) >= 3)
        removal = [n for n, topic in enumerate(listener.topics()) if topic == discovery][2]
        wait_until(lambda: health in listener.topics()[removal:])


def test_without_notice_a_change_is_no_event(broker: Mosquitto) -> None:
    with subscribe(broker.port) as listener, open_output(make_config(broker.port)) as (output, _):
        output.write(make_change("fox"), notify=False)
        output.write(make_change("hen"))
        wait_until(lambda: f"{ROOT}/event" in listener.topics())
        assert len(listener.payloads(f"{ROOT}/event")) == 1
        assert json.loads(listener.payloads(f"{ROOT}/event")[0])["event_type"] == "hen"


def test_each_region_has_its_topics(broker: Mosquitto) -> None:
    device = Device("1", "door-pi", "", "0", ("hen",), ("set", "Tür"))
    with (
        subscribe(broker.port) as listener,
        open_output(make_config(broker.port), device) as (output, _),
    ):
        output.write(make_change("hen", region="set"))
        output.write(make_change("hen", region="Tür"))
        wait_until(lambda: sum(topic.endswith("/event") for topic in listener.topics()) == 2)
        topics = {topic.split("/")[2] for topic in listener.topics() if topic.endswith("/state")}
    assert len(topics) == 2
    assert "set" not in topics
    assert all(topic.isascii() for topic in topics)


def test_a_lost_camera_shows_at_once(broker: Mosquitto) -> None:
    with open_output(make_config(broker.port)) as (output, _), subscribe(broker.port) as listener:
        beat = create_record("heartbeat") | {"fps": 9.8}
        output.write(beat)
        output.write(create_record("camera_lost") | {"reason": "unplugged"})
        wait_until(lambda: b"unplugged" in b"".join(listener.payloads(f"{ROOT}/health")))
        lost = json.loads(listener.payloads(f"{ROOT}/health")[-1])
        assert (lost["camera"], lost["fps"], lost["reason"]) == (False, 9.8, "unplugged")
        output.write(create_record("camera_restored") | {"lost_s": 3.0})
        wait_until(lambda: b"unplugged" not in listener.payloads(f"{ROOT}/health")[-1])
        restored = json.loads(listener.payloads(f"{ROOT}/health")[-1])
        assert (restored["camera"], restored["fps"]) == (True, 9.8)
        output.write(beat | {"lost_s": 2.0})
        wait_until(lambda: b"lost_s" in listener.payloads(f"{ROOT}/health")[-1])
        assert json.loads(listener.payloads(f"{ROOT}/health")[-1])["camera"] is False


def test_a_message_that_is_too_large_is_dropped_and_counted(broker: Mosquitto) -> None:
    with open_output(make_config(broker.port)) as (output, _):
        output.write(make_change("fox"), bytes(300_000))
        wait_until(lambda: output.read_counters().sent >= 4)
        assert output.read_counters().dropped == 1
        assert f"{ROOT}/snapshot" not in list_retained(broker.port)
