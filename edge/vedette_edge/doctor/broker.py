"""Checks of the MQTT broker: it answers, lets us in, and knows no other device of the same id."""

import json
from collections.abc import Iterator
from contextlib import suppress

from vedette_edge.doctor import FAULT, OK, WARNING, Finding
from vedette_edge.errors import BrokerAbsentError, SettingError, VedetteError
from vedette_edge.mqtt.config import MqttConfig
from vedette_edge.mqtt.topics import Topics

TIMEOUT_S = 8.0  # for all
OTHER_ID = "choose another --mqtt-id for one of them"


def check_broker(config: MqttConfig, stable_id: str, *, running: bool) -> Iterator[Finding]:
    """Check the broker. `running` is True while this machine's own watch runs.

    It connects under another client id, so that it takes no device's connection away.
    """
    try:
        kept = _read_kept(config)
    except SettingError as error:
        reason, _, fix = str(error).partition(": pip ")
        yield Finding("mqtt", FAULT, reason, f"pip {fix}" if fix else "")
        return
    except BrokerAbsentError as error:
        reason, _, fix = str(error).partition("; ")
        yield Finding(
            "mqtt", WARNING, f"{reason}; the watch works without it, and tries again", fix
        )
        return
    except VedetteError as error:
        reason, _, fix = str(error).partition("; ")
        yield Finding("mqtt", FAULT, reason, fix)
        return
    yield Finding("mqtt", OK, f"{config.broker.name} answers, and accepts us")
    yield from _check_id(config, kept, stable_id, running=running)
    if config.broker.password and not config.broker.tls:
        detail = "the password travels without encryption"
        yield Finding("mqtt", WARNING, detail, "use mqtts://, if others share this network")


def _read_kept(config: MqttConfig) -> dict[str, bytes]:
    """Read what the broker keeps of this device. Raises VedetteError."""
    from vedette_edge.mqtt.visit import Visit, limit_time  # imports paho-mqtt

    def read() -> dict[str, bytes]:
        topics = Topics.from_config(config)
        with Visit(config, TIMEOUT_S) as visit:
            return visit.read_retained((topics.available, topics.discovery))

    return limit_time(read, TIMEOUT_S)


def _check_id(
    config: MqttConfig, kept: dict[str, bytes], stable_id: str, *, running: bool
) -> Iterator[Finding]:
    """Report another device with our id: the two would take the connection from each other."""
    topics = Topics.from_config(config)
    online = kept.get(topics.available) == b"online"
    described = _find_ids(kept.get(topics.discovery, b""))
    foreign = described and f"vedette_{stable_id}" not in described
    if foreign and online:
        detail = f"another device is online with the id {config.device_id}"
        yield Finding("mqtt", FAULT, detail, OTHER_ID)
    elif foreign:
        detail = f"the broker knows the id {config.device_id} from another device"
        fix = f"vedette mqtt remove  # if that one is gone; else {OTHER_ID}"
        yield Finding("mqtt", WARNING, detail, fix)
    elif online and not running:
        detail = f"a watch with the id {config.device_id} is online, and not this machine's service"
        fix = f"end it if it runs here by hand; else {OTHER_ID}"
        yield Finding("mqtt", WARNING, detail, fix)


def _find_ids(discovery: bytes) -> list[object]:
    """Find the ids in a description of a device, which anybody may have written."""
    with suppress(ValueError, RecursionError, TypeError, KeyError, AttributeError):
        return list(json.loads(discovery)["dev"]["ids"])
    return []
