"""The description of the device for Home Assistant."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from tests.edge.mosquitto import DEVICE

from vedette_edge.mqtt.device import Device
from vedette_edge.mqtt.discovery import (
    LARGEST_BYTES,
    add_removals,
    create_discovery,
    list_gone_states,
)
from vedette_edge.mqtt.topics import Topics

TOPICS = Topics("vedette/door-pi", "homeassistant", "door-pi")
HOSTILE = ("it's", 'a "b"', "{{ 1 }}", "{% x %}", "back\\slash", "ü🦊", "{#", "tab", "a/b+#")


def describe(device: Device, *, commands: bool = True) -> dict[str, Any]:
    payload: dict[str, Any] = json.loads(create_discovery(device, TOPICS, commands=commands))
    return payload


def name_labels(count: int) -> tuple[str, ...]:
    return tuple(f"label {number:03}" for number in range(count))


def test_the_device_has_all_entities() -> None:
    payload = describe(DEVICE)
    assert payload["dev"]["ids"] == ["vedette_7c9e0a41b2d3"]
    assert payload["avty"] == [{"t": "vedette/door-pi/available"}]
    kinds = {key: one["p"] for key, one in payload["cmps"].items()}
    assert kinds == {
        "label": "sensor",
        "score": "sensor",
        "change": "event",
        "is_hen": "binary_sensor",
        "is_fox": "binary_sensor",
        "is_unknown": "binary_sensor",
        "snapshot": "image",
        "camera": "binary_sensor",
        "temperature": "sensor",
        "throttled": "binary_sensor",
        "fps": "sensor",
        "enter": "number",
        "leave": "number",
        "paused": "switch",
        "restart": "button",
    }
    assert payload["cmps"]["label"]["ops"] == ["hen", "fox", "unknown"]
    assert payload["cmps"]["change"]["evt_typ"] == ["hen", "fox", "unknown"]
    assert [key for key, one in payload["cmps"].items() if one.get("en") is False] == [
        "is_hen",
        "is_fox",
        "is_unknown",
    ]


def test_only_the_heartbeat_expires() -> None:
    components = describe(DEVICE)["cmps"]
    expiring = {key: one["exp_aft"] for key, one in components.items() if "exp_aft" in one}
    assert expiring == dict.fromkeys(("camera", "temperature", "throttled", "fps"), 180)
    slow = describe(replace(DEVICE, heartbeat_s=300.0))["cmps"]
    assert slow["fps"]["exp_aft"] == 900
    never = describe(replace(DEVICE, heartbeat_s=0.0))["cmps"]
    assert not any("exp_aft" in one for one in never.values())


def test_without_commands_nothing_can_be_set() -> None:
    components = describe(DEVICE, commands=False)["cmps"]
    assert not any("cmd_t" in one for one in components.values())
    assert not {"enter", "leave", "paused", "restart"} & components.keys()


def test_each_region_has_a_label_a_score_and_changes_and_all_have_one_snapshot() -> None:
    components = describe(replace(DEVICE, regions=("door", "Tür", "is")))["cmps"]
    for name in ("label", "score", "change"):
        assert sum(key.endswith(f".{name}") for key in components) == 3
    assert sum(one["p"] == "image" for one in components.values()) == 1
    assert components["door.label"]["stat_t"] == "vedette/door-pi/door/state"
    assert components["door.label"]["name"] == "door Label"
    ids = [one["uniq_id"] for one in components.values()]
    assert len(set(ids)) == len(ids)


def test_50_labels_take_at_most_6_kb_without_the_binary_sensors() -> None:
    device = replace(DEVICE, hardware="Raspberry Pi 4 Model B Rev 1.5", labels=name_labels(50))
    payload = describe(device)
    payload["cmps"] = {
        key: one for key, one in payload["cmps"].items() if not key.startswith("is_")
    }
    text = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
    assert len(text) <= 6000


def test_above_100_labels_there_are_no_lists_of_them() -> None:
    assert "is_unknown" in describe(replace(DEVICE, labels=name_labels(100)))["cmps"]
    components = describe(replace(DEVICE, labels=name_labels(1001)))["cmps"]
    assert not any(key.startswith("is_") for key in components)
    assert not {"ops", "dev_cla"} & components["label"].keys()
    assert components["change"]["evt_typ"] == ["change"]
    assert "value_json.event_type" in components["change"]["val_tpl"]


@pytest.mark.parametrize("regions", [0, 1, 4, 12])
@pytest.mark.parametrize("length", [1, 190])
def test_the_payload_stays_small_by_leaving_out_detail(regions: int, length: int) -> None:
    labels = tuple(f"{number:03}{'x' * length}" for number in range(100))
    names = tuple(f"region{number}" for number in range(regions))
    payload = create_discovery(replace(DEVICE, labels=labels, regions=names), TOPICS, commands=True)
    assert len(payload) <= LARGEST_BYTES
    labelled = [key for key in json.loads(payload)["cmps"] if key.endswith("label")]
    assert len(labelled) == max(1, regions)


def test_labels_with_any_characters_are_safe_in_templates() -> None:
    components = describe(replace(DEVICE, labels=HOSTILE))["cmps"]
    assert components["label"]["ops"][:-1] == list(HOSTILE)
    sensors = [one for one in components.values() if one.get("en") is False]
    assert [one["name"] for one in sensors] == [*HOSTILE, "unknown"]
    for label, sensor in zip(HOSTILE, sensors, strict=False):
        match = re.fullmatch(
            r"\{\{ 'ON' if value_json\.label=='([ -~]*)' else 'OFF' \}\}", sensor["val_tpl"]
        )
        assert match
        assert not set("'\"{}") & set(match[1])
        assert match[1].encode().decode("unicode_escape") == label  # as Jinja reads it


def test_unknown_is_an_option_once() -> None:
    assert describe(replace(DEVICE, labels=("unknown", "fox")))["cmps"]["label"]["ops"] == [
        "unknown",
        "fox",
    ]


def test_labels_have_no_outer_spaces_which_home_assistant_takes_off_a_state() -> None:
    components = describe(replace(DEVICE, labels=("  red fox ", "hen", " hen")))["cmps"]
    assert components["label"]["ops"] == ["red fox", "hen", "unknown"]
    assert components["change"]["evt_typ"] == ["red fox", "hen", "unknown"]
    sensors = [one for one in components.values() if one.get("en") is False]
    assert [one["name"] for one in sensors] == ["red fox", "hen", "unknown"]
    assert "=='red fox'" in sensors[0]["val_tpl"]


def test_what_is_gone_is_marked_for_removal_once() -> None:
    old = create_discovery(replace(DEVICE, labels=("cat", "fox")), TOPICS, commands=True)
    new = create_discovery(DEVICE, TOPICS, commands=False)
    marked = add_removals(new, old)
    assert marked
    components = json.loads(marked)["cmps"]
    gone = {key: one for key, one in components.items() if len(one) == 1}
    assert gone == {
        "is_cat": {"p": "binary_sensor"},
        "enter": {"p": "number"},
        "leave": {"p": "number"},
        "paused": {"p": "switch"},
        "restart": {"p": "button"},
    }
    assert {key: one for key, one in components.items() if len(one) > 1} == json.loads(new)["cmps"]
    assert add_removals(new, marked) is None
    assert add_removals(new, new) is None


@pytest.mark.parametrize(
    "former",
    [
        b"",
        b"\xff",
        b"[]",
        b"[" * 50_000,
        b'{"cmps":3}',
        b'{"cmps":{"a":3}}',
        b'{"cmps":{"a":{"x":1,"y":2}}}',
        b'{"cmps":{"a b":{"p":"sensor","y":2}}}',
        b'{"cmps":{"a":{"p":["sensor"],"y":2}}}',
        b'{"cmps":{"a":{"p":"evil","y":2}}}',
        json.dumps({"cmps": {f"k{n}": {"p": "sensor", "n": 1} for n in range(5000)}}).encode(),
    ],
)
def test_a_hostile_former_description_is_ignored(former: bytes) -> None:
    assert add_removals(create_discovery(DEVICE, TOPICS, commands=True), former) is None


def test_of_a_former_description_only_states_of_this_device_are_gone() -> None:
    former = {
        "a": {"stat_t": "vedette/pi/yard/state"},
        "b": {"stat_t": "vedette/pi/door/state"},
        "c": {"stat_t": "vedette/other/state"},
        "d": {"stat_t": "vedette/pi/health"},
        "e": {"stat_t": "vedette/pi/#/state"},
        "f": {"stat_t": 5},
        "g": {"stat_t": "vedette/pi/a/b/state"},
    }
    payload = json.dumps({"cmps": {"b": {"stat_t": "vedette/pi/door/state"}}}).encode()
    gone = list_gone_states(payload, json.dumps({"cmps": former}).encode(), "vedette/pi")
    assert gone == ["vedette/pi/yard/state"]
    for hostile in (b"", b"[]", b'{"cmps": 5}', b'{"cmps": {"a": 5}}', b"[" * 50_000):
        assert list_gone_states(payload, hostile, "vedette/pi") == []
