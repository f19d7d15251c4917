"""A device published by hand, as a watch publishes itself."""

import json
import time
from collections.abc import Iterator, Sequence
from queue import Queue
from typing import Any

import cv2
import numpy as np
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

PATIENCE_S = 10.0
ID, STABLE_ID, NAME = "door-pi", "vedette_7c9e0a41b2d3", "door-pi"
LABELS = ("fox", "hen", "unknown")
WHOLE_FRAME = ("",)
BASE = f"vedette/{ID}"
DISCOVERY = f"homeassistant/device/vedette_{ID}/config"
HEALTH = {"camera": True, "temperature_c": 51.5, "fps": 9.98}
SETTINGS = {"enter": 0.6, "leave": 0.4, "paused": False}

Json = dict[str, Any]


def describe_region(region: str, labels: Sequence[str]) -> Iterator[tuple[str, Json]]:
    """The entities that there is one of for each region."""
    topic, key = (f"{BASE}/{region}", f"{region}.") if region else (BASE, "")
    title = f"{region} " if region else ""
    state = {"state_topic": f"{topic}/state"}
    yield (
        f"{key}label",
        state
        | {
            "p": "sensor",
            "name": f"{title}Label",
            "device_class": "enum",
            "options": labels,
            "value_template": "{{ value_json.label }}",
            "json_attributes_topic": f"{topic}/state",
        },
    )
    yield (
        f"{key}score",
        state
        | {
            "p": "sensor",
            "name": f"{title}Score",
            "value_template": "{{ (value_json.score * 100) | round(1) }}",
            "unit_of_measurement": "%",
            "state_class": "measurement",
            "suggested_display_precision": 0,
        },
    )
    yield (
        f"{key}is_fox",
        state
        | {
            "p": "binary_sensor",
            "name": f"{title}fox",
            "value_template": "{{ 'ON' if value_json.label == 'fox' else 'OFF' }}",
            "enabled_by_default": False,
        },
    )
    change = {"name": f"{title}Change", "event_types": labels}
    yield f"{key}change", {"p": "event", "state_topic": f"{topic}/event"} | change


def describe_health() -> Iterator[tuple[str, Json]]:
    """The entities of the heartbeat, which comes each minute."""
    health = {
        "state_topic": f"{BASE}/health",
        "entity_category": "diagnostic",
        "expire_after": 180,
    }
    binary = health | {"p": "binary_sensor"}
    yield (
        "camera",
        binary
        | {
            "device_class": "connectivity",
            "value_template": "{{ 'ON' if value_json.camera else 'OFF' }}",
        },
    )
    yield (
        "throttled",
        binary
        | {
            "name": "Throttled",
            "device_class": "problem",
            "value_template": "{{ 'ON' if value_json.throttled | default('') else 'OFF' }}",
        },
    )
    measured = health | {"p": "sensor", "state_class": "measurement"}
    yield (
        "temperature",
        measured
        | {
            "device_class": "temperature",
            "unit_of_measurement": "°C",
            "value_template": "{{ value_json.temperature_c | default('None') }}",
        },
    )
    yield (
        "fps",
        measured
        | {
            "name": "Frame rate",
            "unit_of_measurement": "frames/s",
            "value_template": "{{ value_json.fps | default('None') }}",
        },
    )


def describe_controls() -> Iterator[tuple[str, Json]]:
    """The entities that Home Assistant may set."""
    for name in ("enter", "leave"):
        yield (
            name,
            describe_control(name)
            | {
                "p": "number",
                "min": 0,
                "max": 1,
                "step": 0.01,
                "mode": "box",
                "value_template": f"{{{{ value_json.{name} }}}}",
            },
        )
    paused = {"p": "switch", "value_template": "{{ 'ON' if value_json.paused else 'OFF' }}"}
    yield "paused", describe_control("paused") | paused
    restart = describe_control("restart")
    del restart["state_topic"]
    button = {"p": "button", "device_class": "restart", "payload_press": "restart"}
    yield "restart", restart | button


def describe_control(name: str) -> Json:
    """The parts that all controls have."""
    return {
        "name": name.capitalize(),
        "entity_category": "config",
        "state_topic": f"{BASE}/settings",
        "command_topic": f"{BASE}/set/{name}",
    }


def describe_device(labels: Sequence[str] = LABELS, regions: Sequence[str] = WHOLE_FRAME) -> Json:
    """The payload of discovery."""
    components = dict(describe_health()) | dict(describe_controls())
    components["snapshot"] = {
        "p": "image",
        "name": "Snapshot",
        "image_topic": f"{BASE}/snapshot",
        "content_type": "image/jpeg",
    }
    for region in regions:
        components |= describe_region(region, labels)
    for key, component in components.items():
        component["unique_id"] = f"{STABLE_ID}_{key}"
    return {
        "dev": {"ids": [STABLE_ID], "name": NAME, "mf": "Vedette", "sw": "0"},
        "o": {"name": "vedette", "sw": "0"},
        "avty": [{"topic": f"{BASE}/available"}],
        "qos": 1,
        "cmps": components,
    }


def draw_picture(number: int) -> bytes:
    """A JPEG that differs from that of any other number."""
    picture = np.random.default_rng(number).integers(0, 255, (48, 64, 3), np.uint8)
    return cv2.imencode(".jpg", picture)[1].tobytes()


class Device:
    """The device, from its first connection to its last."""

    def __init__(self, port: int, regions: Sequence[str] = WHOLE_FRAME) -> None:
        self._port, self.regions = port, regions
        self._commands: Queue[tuple[str, str]] = Queue()
        self._labels = dict.fromkeys(regions, "unknown")
        self._shown = 0

    def __enter__(self) -> "Device":
        self.connect()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def connect(self) -> None:
        """Connect, and publish all that is retained."""
        self._client = Client(
            CallbackAPIVersion.VERSION2, f"vedette-{ID}", protocol=MQTTProtocolVersion.MQTTv311
        )
        self._client.will_set(f"{BASE}/available", "offline", qos=1, retain=True)
        self._client.on_message = self._receive
        self._client.connect("127.0.0.1", self._port)
        self._client.subscribe(f"{BASE}/set/+", qos=1)
        self._client.loop_start()
        self.publish(DISCOVERY, describe_device(regions=self.regions))
        self.publish(f"{BASE}/available", "online")
        self.publish(f"{BASE}/health", HEALTH)
        self.publish(f"{BASE}/settings", SETTINGS)
        for region in self.regions:
            self.show("hen", 0.9, region)

    def show(self, label: str, score: float, region: str = "") -> bytes:
        """Change the label of a region. Returns the picture that was published with it."""
        self._shown += 1
        picture = draw_picture(self._shown)
        previous, self._labels[region] = self._labels[region], label
        topic = f"{BASE}/{region}" if region else BASE
        common = {"score": score, "previous": previous, "region": region}
        self.publish(f"{BASE}/snapshot", picture)
        self.publish(f"{topic}/state", {"label": label, "since": time.time()} | common)
        event = {"event_type": label, "lasted_s": 1.0, "frame": self._shown} | common
        self.publish(f"{topic}/event", event, retain=False)
        return picture

    def publish(self, topic: str, payload: Json | str | bytes, *, retain: bool = True) -> None:
        """Publish, and wait until the broker has it."""
        content = json.dumps(payload) if isinstance(payload, dict) else payload
        self._client.publish(topic, content, qos=1, retain=retain).wait_for_publish(PATIENCE_S)

    def take_command(self) -> tuple[str, str]:
        """The oldest command that was not taken yet: its name and its payload."""
        return self._commands.get(timeout=PATIENCE_S)

    def kill(self) -> None:
        """Break the connection without a word, as the kernel does for a process that dies."""
        self._client.loop_stop()
        connection = self._client.socket()
        assert connection
        connection.close()

    def remove(self) -> None:
        """Leave nothing behind at the broker."""
        topics = [f"{BASE}/{name}" for name in ("available", "health", "settings", "snapshot")]
        topics += [f"{BASE}/{region}/state".replace("//", "/") for region in self.regions]
        for topic in (DISCOVERY, *topics):
            self.publish(topic, "")

    def _receive(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        self._commands.put((message.topic.rpartition("/")[2], message.payload.decode()))
