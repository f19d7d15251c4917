"""A device of ours in a real Home Assistant: discovered, shown, commanded and removed."""

import hashlib
import time

import pytest
from tests.home_assistant.client import Entity, HomeAssistant
from tests.home_assistant.device import (
    BASE,
    DISCOVERY,
    HEALTH,
    LABELS,
    NAME,
    SETTINGS,
    STABLE_ID,
    Device,
    describe_device,
)

pytestmark = pytest.mark.timeout(900)  # of which installing Home Assistant takes the most

ENABLED = {
    "label": "hen",
    "score": "90.0",
    "camera": "on",
    "throttled": "off",
    "temperature": "51.5",
    "fps": "9.98",
    "enter": "0.6",
    "leave": "0.4",
    "paused": "off",
}
# Their state is the time of what happened last; Home Assistant remembers when a button was pressed.
DATED = ("change", "snapshot", "restart")
DISABLED = ("is_fox",)
OTHER_LABELS = ("badger", "unknown")
CHANGES = 200


def find(entities: dict[str, Entity], key: str) -> Entity:
    """The entity with a key of ours."""
    return entities[f"{STABLE_ID}_{key}"]


def wait_for(hub: HomeAssistant, states: dict[str, str]) -> dict[str, Entity]:
    """The entities, as soon as those with these keys have these states."""
    expected = {f"{STABLE_ID}_{key}": state for key, state in states.items()}
    return hub.wait(
        lambda entities: all(
            key in entities and entities[key].state == state for key, state in expected.items()
        )
    )


def wait_for_event(hub: HomeAssistant, key: str, label: str) -> dict[str, Entity]:
    """The entities, as soon as the last event of one of them is a change to a label."""
    return hub.wait(lambda entities: find(entities, key).attributes.get("event_type") == label)


def test_each_entity_is_discovered_with_its_state_and_without_a_warning(
    hub: HomeAssistant, watch: Device
) -> None:
    wait_for(hub, ENABLED)
    watch.show("fox", 0.97)
    wait_for(hub, {"label": "fox", "score": "97.0"})
    entities = wait_for_event(hub, "change", "fox")
    assert {entity.device for entity in entities.values()} == {NAME}
    assert set(entities) == {f"{STABLE_ID}_{key}" for key in (*ENABLED, *DATED, *DISABLED)}
    assert find(entities, "label").attributes["options"] == list(LABELS)
    assert find(entities, "label").attributes["previous"] == "hen"
    assert find(entities, "change").attributes["score"] == 0.97
    assert hub.take_warnings() == []


@pytest.mark.parametrize("watch", [("gate", "yard")], indirect=True)
def test_each_region_has_its_label_score_and_change(hub: HomeAssistant, watch: Device) -> None:
    wait_for(hub, {"gate.label": "hen", "yard.label": "hen"})
    watch.show("fox", 0.97, "yard")
    wait_for(hub, {"gate.label": "hen", "yard.label": "fox", "yard.score": "97.0"})
    entities = wait_for_event(hub, "yard.change", "fox")
    assert find(entities, "gate.change").attributes["event_type"] != "fox"


def test_entities_that_begin_disabled_have_the_right_state_once_enabled(
    hub: HomeAssistant, watch: Device
) -> None:
    entities = wait_for(hub, ENABLED)
    assert {find(entities, key).disabled_by for key in DISABLED} == {"integration"}
    watch.show("fox", 0.97)
    hub.enable_all()
    entities = wait_for(hub, {"is_fox": "on", "label": "fox"})
    assert not [entity for entity in entities.values() if entity.disabled_by]
    watch.show("hen", 0.9)
    wait_for(hub, {"is_fox": "off"})


def test_a_change_comes_with_its_picture(hub: HomeAssistant, watch: Device) -> None:
    wait_for(hub, ENABLED)
    hub.take_changes()
    shown = []
    for number in range(CHANGES):
        at, label = time.time(), LABELS[number % 2]
        shown.append((label, hashlib.sha256(watch.show(label, 0.9)).hexdigest(), at))
        time.sleep(0.02)
    entities = wait_for(hub, {"label": shown[-1][0]})
    changes = [one for one in hub.take_changes() if one.unique_id == f"{STABLE_ID}_label"]
    assert [(one.state, one.picture) for one in changes] == [one[:2] for one in shown]
    delays = sorted(1000 * (one.at - at) for one, (_, _, at) in zip(changes, shown, strict=True))
    p50, p95 = delays[CHANGES // 2], delays[CHANGES * 95 // 100]
    print(f"{hub.version}: p50 {p50:.0f} ms, p95 {p95:.0f} ms")  # noqa: T201
    content, content_type = hub.fetch_image(find(entities, "snapshot").entity_id)
    assert (hashlib.sha256(content).hexdigest(), content_type) == (shown[-1][1], "image/jpeg")


@pytest.mark.parametrize(
    ("key", "service", "data", "command"),
    [
        ("enter", "number.set_value", {"value": 0.75}, ("enter", "0.75")),
        ("leave", "number.set_value", {"value": 0.25}, ("leave", "0.25")),
        ("paused", "switch.turn_on", {}, ("paused", "ON")),
        ("paused", "switch.turn_off", {}, ("paused", "OFF")),
        ("restart", "button.press", {}, ("restart", "restart")),
    ],
)
def test_a_command_reaches_the_device(
    hub: HomeAssistant,
    watch: Device,
    key: str,
    service: str,
    data: dict[str, float],
    command: tuple[str, str],
) -> None:
    entities = wait_for(hub, ENABLED)
    hub.call_service(service, find(entities, key).entity_id, **data)
    assert watch.take_command() == command


def test_a_device_that_dies_is_unavailable_until_it_is_back(
    hub: HomeAssistant, watch: Device
) -> None:
    wait_for(hub, ENABLED)
    watch.kill()
    wait_for(hub, dict.fromkeys((*ENABLED, *DATED), "unavailable"))
    watch.connect()
    wait_for(hub, ENABLED)


def test_a_removed_device_leaves_no_entity(hub: HomeAssistant, watch: Device) -> None:
    wait_for(hub, ENABLED)
    watch.remove()
    hub.wait(lambda entities: not entities)


def test_what_is_published_before_the_discovery_is_shown_after_it(
    hub: HomeAssistant, watch: Device
) -> None:
    wait_for(hub, ENABLED)
    watch.remove()
    hub.wait(lambda entities: not entities)
    watch.show("fox", 0.8)
    for name, payload in (("health", HEALTH), ("settings", SETTINGS), ("available", "online")):
        watch.publish(f"{BASE}/{name}", payload)
    watch.publish(DISCOVERY, describe_device())
    wait_for(hub, ENABLED | {"label": "fox", "score": "80.0"})


def test_a_label_that_was_not_discovered_is_warned_of_and_left_out(
    hub: HomeAssistant, watch: Device
) -> None:
    wait_for(hub, ENABLED)
    watch.publish(f"{BASE}/state", {"label": "badger", "score": 0.8})
    wait_for(hub, {"label": "hen", "score": "80.0"})
    (warning,) = hub.take_warnings()
    assert f"{BASE}/state" in warning


def test_another_model_is_discovered_without_a_warning(hub: HomeAssistant, watch: Device) -> None:
    wait_for(hub, ENABLED)
    watch.publish(f"{BASE}/available", "offline")
    watch.publish(DISCOVERY, describe_device(OTHER_LABELS))
    watch.show("badger", 0.8)
    watch.publish(f"{BASE}/available", "online")
    entities = wait_for(hub, {"label": "badger"})
    assert find(entities, "label").attributes["options"] == list(OTHER_LABELS)
    wait_for_event(hub, "change", "badger")
