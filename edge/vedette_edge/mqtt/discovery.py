"""The description of the device for Home Assistant, which creates its entities from it.

Keys are Home Assistant's own abbreviations, of which 2025.4 to 2026.11 know all that stand here.
See "MQTT Discovery" in its documentation.
"""

import json
import re
from collections.abc import Iterator

from vedette_edge.model.contract import UNKNOWN
from vedette_edge.mqtt.device import Device
from vedette_edge.mqtt.topics import Topics, make_slug

Component = dict[str, object]

MOST_LABELS = 100  # with more, there is no list of labels and no binary sensor
LARGEST_BYTES = 60_000  # with more, the payload goes without binary sensors, then without lists
EXPIRE_BEATS = 3  # an entity is unavailable after so many heartbeats that do not come
CHANGE = "change"  # type of the events where the labels are too many to list
# Turns an event's type, which Home Assistant would have to know, into an attribute.
_UNTYPED = f"{{{{ dict(value_json,label=value_json.event_type,event_type='{CHANGE}')|tojson }}}}"
_PERCENT = "(value_json.score*100)|round(1)"
MOST_GONE = 100  # topics of a former description that are removed
_KEY = re.compile(r"[A-Za-z0-9_.-]{1,80}")
_PLATFORMS = ("sensor", "binary_sensor", "event", "image", "number", "switch", "button")
_DIAGNOSTIC = {"ent_cat": "diagnostic"}
_MEASURED = {"p": "sensor", "stat_cla": "measurement"}


def create_discovery(device: Device, topics: Topics, *, commands: bool) -> bytes:
    """Create the payload. With many labels it has less detail, so that it stays small.

    With `commands` False there is nothing that could be set.
    """
    details = (2, 1, 0) if len(device.labels) <= MOST_LABELS else (0,)
    for detail in details:
        payload = _encode(device, topics, commands, detail)
        if len(payload) <= LARGEST_BYTES:
            break
    return payload


def add_removals(payload: bytes, former: bytes) -> bytes | None:
    """Add a mark for each entity that a former payload had and this one lacks; None without any.

    Home Assistant then removes these. Anybody may have written the former payload.
    """
    try:
        components = dict(json.loads(former)["cmps"])
        gone = {
            key: {"p": str(one["p"])}
            for key, one in components.items()
            if len(one) > 1 and _KEY.fullmatch(key) and one["p"] in _PLATFORMS
        }
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        return None
    current = json.loads(payload)
    if gone.keys() <= current["cmps"].keys():
        return None
    current["cmps"] = {**gone, **current["cmps"]}
    marked = _to_json(current)
    return marked if len(marked) <= LARGEST_BYTES else None


def list_gone_states(payload: bytes, former: bytes, root: str) -> list[str]:
    """List the topics of regions' states that a former payload had and this one lacks.

    Anybody may have written the former payload, so no topic outside `root` counts.
    """
    state = re.compile(rf"{re.escape(root)}/(?:[A-Za-z0-9_-]{{1,100}}/)?state")
    try:
        components = json.loads(former)["cmps"].values()
        topics = {str(one["stat_t"]) for one in components if "stat_t" in one}
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        return []
    current = {one.get("stat_t") for one in json.loads(payload)["cmps"].values()}
    return sorted(filter(state.fullmatch, topics - current))[:MOST_GONE]


def _encode(device: Device, topics: Topics, commands: bool, detail: int) -> bytes:
    """Encode the payload. Detail 2 has binary sensors and lists, 1 lists, and 0 neither."""
    uid = f"vedette_{device.stable_id}"
    components = dict(_list_components(device, topics, commands, detail))
    model = {"mdl": device.hardware} if device.hardware else {}
    payload = {
        "dev": {
            "ids": [uid],
            "name": device.name,
            "mf": "Vedette",
            **model,
            "sw": device.version,
        },
        "o": {"name": "vedette", "sw": device.version},
        "avty": [{"t": topics.available}],
        "qos": 1,
        "cmps": {key: {**one, "uniq_id": f"{uid}_{key}"} for key, one in components.items()},
    }
    return _to_json(payload)


def _to_json(payload: dict[str, object]) -> bytes:
    text = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")


def _list_components(
    device: Device, topics: Topics, commands: bool, detail: int
) -> Iterator[tuple[str, Component]]:
    for region in device.regions or ("",):
        yield from _describe_region(device, topics, region, detail)
    yield (
        "snapshot",
        {
            "p": "image",
            "name": "Snapshot",
            "img_t": topics.snapshot,
            "cont_type": "image/jpeg",
        },
    )
    yield from _describe_health(device, topics)
    if commands:
        yield from _describe_settings(topics)


def _describe_region(
    device: Device, topics: Topics, region: str, detail: int
) -> Iterator[tuple[str, Component]]:
    """Describe what is seen in a region: label, score, changes, and each label as on or off."""
    key = f"{make_slug(region)}." if region else ""
    stripped = (label.strip() for label in device.labels)  # as Home Assistant strips states
    labels = [*dict.fromkeys((*stripped, UNKNOWN))]
    state = {"stat_t": topics.state(region)}
    listed = {"dev_cla": "enum", "ops": labels} if detail else {}
    label = {"val_tpl": "{{ value_json.label }}", "json_attr_t": topics.state(region)}
    yield f"{key}label", {"p": "sensor", "name": _name(region, "Label"), **listed, **state, **label}
    share = {"unit_of_meas": "%", "sug_dsp_prc": 0}
    score = {"val_tpl": f"{{{{ {_PERCENT} if value_json.label else 'None' }}}}", **share}
    yield f"{key}score", {**_MEASURED, "name": _name(region, "Score"), **state, **score}
    types = {"evt_typ": labels} if detail else {"evt_typ": [CHANGE], "val_tpl": _UNTYPED}
    event = {"p": "event", "name": _name(region, "Change"), "stat_t": topics.event(region)}
    yield f"{key}change", {**event, **types}
    for one in labels if detail > 1 else ():
        template = f"{{{{ 'ON' if value_json.label=={_quote(one)} else 'OFF' }}}}"
        names = {"p": "binary_sensor", "name": _name(region, one), "en": False}
        yield f"{key}is_{make_slug(one)}", {**names, **state, "val_tpl": template}


def _describe_health(device: Device, topics: Topics) -> Iterator[tuple[str, Component]]:
    """Describe the heartbeat. Until the first one, and without a sensor, values are unknown."""
    expiry = (
        {"exp_aft": max(1, round(EXPIRE_BEATS * device.heartbeat_s))} if device.heartbeat_s else {}
    )
    health = {**_DIAGNOSTIC, "stat_t": topics.health, **expiry}
    camera = "{{ 'ON' if value_json.camera|default(false) else 'OFF' }}"
    binary = {"p": "binary_sensor", **health}
    yield "camera", {**binary, "name": "Camera", "dev_cla": "connectivity", "val_tpl": camera}
    yield (
        "temperature",
        {
            **_MEASURED,
            **health,
            "name": "Temperature",
            "dev_cla": "temperature",
            "unit_of_meas": "°C",
            "val_tpl": "{{ value_json.temperature_c|default('None') }}",
        },
    )
    # The record lists causes, such as "under-voltage now, throttled before".
    throttled = "{{ 'ON' if ' now' in value_json.throttled|default('') else 'OFF' }}"
    causes = {"val_tpl": throttled, "json_attr_t": topics.health}
    yield "throttled", {**binary, "name": "Throttled", "dev_cla": "problem", **causes}
    rate = {"unit_of_meas": "fps", "val_tpl": "{{ value_json.fps|default('None') }}"}
    yield "fps", {**_MEASURED, **health, "name": "Frame rate", **rate}


def _describe_settings(topics: Topics) -> Iterator[tuple[str, Component]]:
    """Describe what can be set. An enter that is set lower than Home Assistant can is unknown."""
    config = {"ent_cat": "config"}
    for name, low in (("enter", 0.05), ("leave", 0)):
        value = f"value_json.{name}"
        template = f"{{{{ {value} if {value}>={low} else 'None' }}}}"
        limits = {"min": low, "max": 1, "step": 0.01, "mode": "box"}
        places = {"stat_t": topics.settings, "cmd_t": topics.command(name), "val_tpl": template}
        yield name, {"p": "number", "name": name.capitalize(), **config, **limits, **places}
    paused = {"val_tpl": "{{ 'ON' if value_json.paused else 'OFF' }}"}
    places = {"stat_t": topics.settings, "cmd_t": topics.command("paused")}
    yield "paused", {"p": "switch", "name": "Paused", **config, **places, **paused}
    press = {"cmd_t": topics.command("restart"), "pl_prs": "restart", "dev_cla": "restart"}
    yield "restart", {"p": "button", "name": "Restart", **config, **press}


def _name(region: str, name: str) -> str:
    return f"{region} {name}" if region else name


def _quote(label: str) -> str:
    """Quote a label for a template, whatever it holds: escapes that Jinja and Python share."""
    text = label.encode("unicode_escape").decode()
    for special in "'\"{}%#":
        text = text.replace(special, f"\\x{ord(special):02x}")
    return f"'{text}'"
