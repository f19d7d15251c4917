"""A watch of ours in a real Home Assistant: discovered, shown, commanded, restarted and removed.

All tests share one watch, which goes on from one to the next.
"""

import hashlib
import json
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.edge.mosquitto import Mosquitto, list_retained, publish, subscribe, wait_until
from tests.edge.numbered_frames import read_number
from tests.home_assistant.client import HomeAssistant
from tests.home_assistant.entities import (
    find,
    find_last,
    report,
    take_changes,
    wait_for,
    wait_for_event,
    wait_for_keys,
)
from tests.home_assistant.watch import DISCOVERY, ID, LABELS, REGIONS, ROOT, STABLE_ID, Watch

from vedette_edge import Contract
from vedette_edge.model.contract import serialize_contract

pytestmark = pytest.mark.timeout(900)  # of which installing Home Assistant takes the most

SEEN = ("label", "score", "change")  # of each region
DISABLED = tuple(f"is_{label}" for label in (*LABELS, "unknown"))
HEALTH = ("camera", "temperature", "throttled", "fps")
SETTINGS = {"enter": "0.5", "leave": "0.35", "paused": "off"}
OTHERS = ("snapshot", *HEALTH, *SETTINGS, "restart")
OTHER_LABELS = ('  an "inn"  ', "{{ it's }}\\", "Füchse 🦊")
CHANGES = 200


def read_retained(broker: Mosquitto, topic: str) -> dict[str, object]:
    """What the broker keeps of a topic of ours."""
    content: dict[str, object] = json.loads(list_retained(broker.port)[f"{ROOT}/{topic}"])
    return content


def test_each_entity_is_discovered_with_its_state(
    hub: HomeAssistant, watch: Watch, broker: Mosquitto
) -> None:
    wait_for(hub, {"camera": "on"})
    health, state = read_retained(broker, "health"), read_retained(broker, "state")
    score = state["score"]
    assert isinstance(score, float)
    expected = {
        "label": "red",
        "score": str(round(100 * score, 1)),
        "camera": "on",
        "temperature": str(health.get("temperature_c", "unknown")),
        "throttled": "off",
        "fps": str(health["fps"]),
        **SETTINGS,
        "restart": "unknown",  # until it is pressed
    }
    entities = wait_for(hub, expected)
    keys = (*SEEN, *DISABLED, *OTHERS)
    assert entities.keys() == {f"{STABLE_ID}_{key}" for key in keys}
    assert {entity.device for entity in entities.values()} == {ID}
    disabled = {key for key in keys if find(entities, key).disabled_by == "integration"}
    assert disabled == set(DISABLED)
    assert find(entities, "label").attributes["options"] == [*LABELS, "unknown"]
    assert find(entities, "snapshot").state not in ("unknown", "unavailable")


def test_a_change_is_shown_with_its_picture(
    hub: HomeAssistant, watch: Watch, broker: Mosquitto
) -> None:
    shown = watch.show("blue")
    entities = wait_for_event(hub, "change", shown)
    assert find(entities, "label").state == "blue"
    assert find(entities, "label").attributes["previous"] == "red"
    assert find(entities, "change").attributes["event_type"] == "blue"
    assert find(entities, "change").attributes["previous"] == "red"
    content, content_type = hub.fetch_image(find(entities, "snapshot").entity_id)
    assert (content, content_type) == (list_retained(broker.port)[f"{ROOT}/snapshot"], "image/jpeg")
    assert read_number(content) == find(entities, "change").attributes["frame"]


def test_entities_that_begin_disabled_have_the_right_state_once_enabled(
    hub: HomeAssistant, watch: Watch
) -> None:
    watch.show("green")
    wait_for(hub, {"label": "green"})
    hub.enable_all()
    states = dict.fromkeys(DISABLED, "off")
    entities = wait_for(hub, states | {"is_green": "on", "label": "green", "camera": "on"})
    assert not [entity for entity in entities.values() if entity.disabled_by]
    watch.show("red")
    wait_for(hub, states | {"is_red": "on"})


def test_a_change_is_there_soon_and_its_picture_is_there_before(
    hub: HomeAssistant, watch: Watch, broker: Mosquitto
) -> None:
    hub.take_changes()
    shown = []
    with subscribe(broker.port) as subscriber:
        for number in range(1, CHANGES + 1):
            shown.append(watch.show(LABELS[number % 3]))
            wait_for_event(hub, "change", shown[-1])
        pictures = subscriber.payloads(f"{ROOT}/snapshot")
    numbers = {hashlib.sha256(one).hexdigest(): read_number(one) for one in pictures}
    changes = hub.take_changes()
    states = [one for one in changes if one.unique_id == f"{STABLE_ID}_label"]
    events = [one for one in changes if one.unique_id == f"{STABLE_ID}_change"]
    labels = [one.label for one in shown]
    assert [one.state for one in states] == labels
    assert [one.attributes["event_type"] for one in events] == labels
    frames = [one.attributes["frame"] for one in events]
    assert [numbers[one.picture] for one in events] == frames
    assert [numbers[one.picture] for one in states] == frames
    delays_s = [one.at - begun.at for one, begun in zip(states, shown, strict=True)]
    report(hub, "from a frame to its state", *delays_s)
    assert sorted(delays_s)[CHANGES * 95 // 100] < 0.3


@pytest.mark.parametrize(("key", "value"), [("enter", 0.75), ("leave", 0.25)])
def test_a_threshold_is_set(hub: HomeAssistant, watch: Watch, key: str, value: float) -> None:
    entities = wait_for(hub, SETTINGS)
    for number in (value, float(SETTINGS[key])):
        hub.call_service("number.set_value", find(entities, key).entity_id, value=number)
        wait_for(hub, SETTINGS | {key: str(number)})


def test_the_watch_pauses_and_goes_on(hub: HomeAssistant, watch: Watch) -> None:
    watch.show("red")
    switch = find(wait_for(hub, {"label": "red", "paused": "off"}), "paused").entity_id
    hub.call_service("switch.turn_on", switch)
    wait_for(hub, {"paused": "on"})
    watch.show("green")
    time.sleep(1)  # in which many frames come
    assert find(hub.list_entities(), "label").state == "red"
    hub.call_service("switch.turn_off", switch)
    wait_for(hub, {"paused": "off", "label": "green"})


def test_all_comes_back_after_a_restart_of_a_broker_that_forgets(
    hub: HomeAssistant, watch: Watch, broker: Mosquitto
) -> None:
    hub.enable_all()
    watch.show("blue")
    states = {"label": "blue", "is_blue": "on", "camera": "on"} | SETTINGS
    wait_for(hub, states)
    before = list_retained(broker.port)
    broker.kill()
    wait_for(hub, dict.fromkeys(states, "unavailable"))
    hub.take_changes()
    begun, begun_s = time.time(), time.monotonic()
    broker.start()
    with subscribe(broker.port) as subscriber:
        wait_until(lambda: before.keys() <= {*subscriber.topics()}, 10)
    report(hub, "from a start of the broker to all topics", time.monotonic() - begun_s)
    after = list_retained(broker.port)
    del before[f"{ROOT}/health"], after[f"{ROOT}/health"]  # which may be a later one
    assert after == before
    wait_for(hub, states)
    report(hub, "to the state in Home Assistant", find_last(hub, "blue") - begun)


def test_all_comes_back_after_a_restart_of_home_assistant(
    hub: HomeAssistant, watch: Watch, broker: Mosquitto
) -> None:
    hub.enable_all()
    watch.show("green")
    states = {"label": "green", "is_green": "on", "camera": "on"} | SETTINGS
    entities = wait_for(hub, states)
    with subscribe(broker.port) as subscriber:
        assert len(subscriber.payloads(DISCOVERY)) == 1
        hub.restart()
        wait_for(hub, states)
        wait_until(lambda: len(subscriber.payloads(DISCOVERY)) == 2)
    shown = watch.show("red")
    assert wait_for_event(hub, "change", shown).keys() == entities.keys()
    wait_for(hub, states | {"label": "red", "is_green": "off"})


def test_the_button_restarts_the_watch_which_keeps_its_thresholds(
    hub: HomeAssistant, watch: Watch
) -> None:
    entities = wait_for(hub, SETTINGS)
    hub.call_service("number.set_value", find(entities, "enter").entity_id, value=0.7)
    wait_for(hub, {"enter": "0.7"})
    hub.take_changes()
    states: list[str] = []
    while "unavailable" not in states:  # in its first minute, the watch refuses
        assert time.time() < watch.started + 180
        hub.call_service("button.press", find(entities, "restart").entity_id)
        time.sleep(1)
        states += [one.state for one in take_changes(hub, "enter")]
    wait_for(hub, {"enter": "0.7"})
    hub.call_service("number.set_value", find(entities, "enter").entity_id, value=0.5)
    wait_for(hub, SETTINGS | {"camera": "on"})


@pytest.mark.parametrize("ended", [signal.SIGKILL, signal.SIGTERM])
def test_a_watch_that_ends_is_unavailable_until_it_is_back(
    hub: HomeAssistant, watch: Watch, ended: signal.Signals
) -> None:
    watch.show("blue")
    entities = wait_for(hub, {"label": "blue"})
    hub.take_changes()
    at = watch.end(ended)
    hub.wait(lambda entities: {one.state for one in entities.values()} <= {"unavailable", None})
    delay_s = find_last(hub, "unavailable") - at
    report(hub, f"from {ended.name} to unavailable", delay_s)
    assert delay_s < 1
    watch.start()
    assert wait_for(hub, {"label": "red", "camera": "on"} | SETTINGS).keys() == entities.keys()


def test_each_region_has_its_label_score_and_change(hub: HomeAssistant, watch: Watch) -> None:
    hub.enable_all()  # or 2026.2.3 keeps what is gone for good
    watch.show("red")
    wait_for(hub, {"is_red": "on"})
    watch.start(REGIONS)
    both = [f"{region}.{key}" for region in ("gate", "yard") for key in (*SEEN, *DISABLED)]
    wait_for_keys(hub, *both, *OTHERS)
    wait_for(hub, {"gate.label": "red", "yard.label": "red", "camera": "on"} | SETTINGS)
    shown = watch.show("green", "yard")
    entities = wait_for_event(hub, "yard.change", shown)
    assert find(entities, "yard.label").state == "green"
    assert find(entities, "gate.label").state == "red"
    assert find(entities, "yard.change").attributes["event_type"] == "green"
    assert find(entities, "gate.change").attributes["event_type"] != "green"
    assert find(entities, "yard.score").state == find(entities, "gate.score").state
    content, _ = hub.fetch_image(find(entities, "snapshot").entity_id)
    assert read_number(content) == find(entities, "yard.change").attributes["frame"]
    hub.enable_all()
    wait_for(hub, {"gate.is_red": "on", "gate.is_green": "off", "yard.is_green": "on"})
    watch.start()
    wait_for_keys(hub, *SEEN, *DISABLED, *OTHERS)


def test_a_camera_that_is_lost_is_off_until_it_is_back(hub: HomeAssistant, watch: Watch) -> None:
    watch.start(camera="synthetic:96x64@10")
    wait_for(hub, {"camera": "on"} | SETTINGS)
    time.sleep(1)  # or the watch waits longer before it tries again
    hub.take_changes()
    watch.kill_capture()
    states: list[str] = []

    def is_back() -> bool:
        states.extend(one.state for one in take_changes(hub, "camera"))
        return len(states) >= 2

    wait_until(is_back)
    assert states == ["off", "on"]


def test_another_model_replaces_the_labels_whatever_characters_they_have(
    hub: HomeAssistant,
    watch: Watch,
    contract: Contract,
    repacked: Callable[..., Path],
) -> None:
    other = serialize_contract(replace(contract, labels=OTHER_LABELS))
    watch.start(model=repacked(other, "\n".join(OTHER_LABELS)))
    names = [label.strip() for label in OTHER_LABELS]
    for label, name in zip(LABELS[1:], names[1:], strict=True):
        shown = watch.show(label)
        entities = wait_for_event(hub, "change", shown)
        wait_for(hub, {"label": name, "camera": "on"})
        assert find(entities, "change").attributes["event_type"] == name
    shown = watch.show("red")
    entities = wait_for_event(hub, "change", shown)
    assert find(entities, "label").state == names[0]
    assert find(entities, "label").attributes["options"] == [*names, "unknown"]
    hub.enable_all()
    labelled = [key for key, one in entities.items() if one.unique_id.startswith(f"{STABLE_ID}_is")]
    assert len(labelled) == len(names) + 1
    entities = hub.wait(lambda entities: sum(entities[k].state == "on" for k in labelled) == 1)
    assert f"{STABLE_ID}_is_red" not in entities


def test_a_label_that_was_not_discovered_is_warned_of_and_left_out(
    hub: HomeAssistant, watch: Watch, broker: Mosquitto
) -> None:
    publish(broker.port, f"{ROOT}/state", b'{"label":"badger","score":0.8}', "-r")
    wait_for(hub, {"label": "red", "score": "80.0"})
    (warning,) = hub.take_warnings()
    assert f"{ROOT}/state" in warning


def test_a_removed_device_leaves_neither_an_entity_nor_a_topic(
    hub: HomeAssistant, watch: Watch, broker: Mosquitto
) -> None:
    watch.stop()
    watch.remove()
    hub.wait(lambda entities: not entities)
    assert list_retained(broker.port).keys() <= {"homeassistant/status"}
