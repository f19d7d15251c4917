"""The output that the watch uses: records become messages, and messages become commands."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from vedette_edge.log.records import encode_record, find_score
from vedette_edge.mqtt.commands import Command, TokenBucket, parse_command
from vedette_edge.mqtt.config import USUAL_PAUSES, MqttConfig, Pauses
from vedette_edge.mqtt.connection import Received
from vedette_edge.mqtt.device import Device
from vedette_edge.mqtt.discovery import add_removals, create_discovery, list_gone_states
from vedette_edge.mqtt.outbox import Outbox
from vedette_edge.mqtt.publisher import Publisher
from vedette_edge.mqtt.topics import Topics

COMMANDS_PER_S, COMMANDS_AT_ONCE = 10.0, 20
CAMERA_EVENTS = {"camera_restored": True, "camera_lost": False}
NO_STATE = {"label": None, "score": None, "previous": "", "since": None}
OUTAGE_FIELDS = ("lost_s", "reason")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class MqttCounters:
    """Counters of the output since its start."""

    connected: bool
    sent: int  # messages that the broker has confirmed
    dropped: int  # events that waited too long, and payloads that were too large
    refused: int  # commands that were not valid, or too many


class MqttOutput:
    """The output that sends a broker what the watch sees. Use it with `with`.

    Nothing makes `write` wait or raise. It is for one thread; commands arrive in another.
    """

    def __init__(
        self,
        config: MqttConfig,
        device: Device,
        on_command: Callable[[Command], None],
        pauses: Pauses = USUAL_PAUSES,
    ) -> None:
        """`on_command` takes a valid command; it must not wait.

        Raises SettingError for a CA file that cannot be used.
        """
        self._topics = topics = Topics.from_config(config)
        self._commands, self._on_command = config.commands, on_command
        regions = device.regions or ("",)
        first = (topics.discovery, topics.settings, topics.health, topics.snapshot)
        self._outbox = Outbox((*first, *map(topics.state, regions), topics.available))
        self._bucket = TokenBucket(COMMANDS_PER_S, COMMANDS_AT_ONCE)
        self._refused = 0
        self._model = {"model": device.model} if device.model else {}
        self._health: dict[str, object] = {}
        self._publisher = Publisher(config, self._outbox, self._receive, pauses)
        self._discovery = create_discovery(device, topics, commands=config.commands)
        self._compared = False  # with the former description
        self._outbox.put_retained(topics.discovery, self._discovery)
        for region in regions:  # or a broker would still have a label of the last watch
            self._put(topics.state(region), NO_STATE | {"region": region})
        self._outbox.put_retained(topics.available, b"online")

    def __enter__(self) -> "MqttOutput":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Start to connect, and to send."""
        self._publisher.start()

    def close(self) -> None:
        """Send what is left, and that the device is offline. Takes at most half a second."""
        self._outbox.put_retained(self._topics.available, b"offline")
        self._publisher.close()

    def write(
        self, record: Mapping[str, Any], jpeg: bytes | None = None, *, notify: bool = True
    ) -> None:
        """Send what a record says: of a change the snapshot, the state, and the event.

        Without `notify`, there is no event.
        """
        event = record.get("event")
        if event == "change":
            self._write_change(record, jpeg, notify)
        elif event == "heartbeat":
            self._write_health({**record, "camera": "lost_s" not in record})
        elif event in CAMERA_EVENTS:
            self._write_camera(record, CAMERA_EVENTS[event])

    def notify(self, record: Mapping[str, Any], jpeg: bytes | None = None) -> None:
        """Send a change that was held back: its snapshot and its event, but no state."""
        if record.get("event") != "change":
            return
        self._put_snapshot(jpeg)
        region = str(record.get("region", ""))
        fields = {"lasted_s": record.get("lasted_s"), "frame": record.get("frame")}
        event = {"event_type": _find_label(record), **_describe_change(record), **fields}
        self._outbox.put_event(self._topics.event(region), encode_record(event))
        self._publisher.wake()

    def publish_settings(self, settings: Mapping[str, object]) -> None:
        """Send the settings as they are: enter, leave, and whether the watch is paused."""
        self._put(self._topics.settings, settings)

    def read_counters(self) -> MqttCounters:
        """Return the counters."""
        sent, dropped = self._outbox.read_counters()
        return MqttCounters(self._publisher.connected, sent, dropped, self._refused)

    def _write_change(self, record: Mapping[str, Any], jpeg: bytes | None, notify: bool) -> None:
        self._put_snapshot(jpeg)
        state = {"label": _find_label(record), **_describe_change(record)}
        topic = self._topics.state(str(record.get("region", "")))
        self._put(topic, {**state, "since": record.get("time")})
        if notify:
            self.notify(record)

    def _put_snapshot(self, jpeg: bytes | None) -> None:
        """Put a snapshot before the messages that say what it shows, which wake the publisher."""
        if jpeg:
            self._outbox.put_retained(self._topics.snapshot, jpeg)

    def _write_camera(self, record: Mapping[str, Any], works: bool) -> None:
        """Send the latest heartbeat again, with the camera as it is now."""
        latest = {key: self._health[key] for key in self._health if key not in OUTAGE_FIELDS}
        fields = {key: record[key] for key in ("time", "reason") if key in record}
        self._write_health({**latest, **fields, "camera": works})

    def _write_health(self, health: dict[str, object]) -> None:
        self._health = health
        fields = {name: value for name, value in health.items() if name != "event"}
        self._put(self._topics.health, fields | self._model)

    def _put(self, topic: str, fields: Mapping[str, object]) -> None:
        self._outbox.put_retained(topic, encode_record(fields))
        self._publisher.wake()

    def _receive(self, message: Received) -> None:
        """Take a message for a setting; anybody may have sent anything."""
        if message.topic == self._topics.discovery:
            self._remove_former(message)
            return
        command = self._parse(message)
        if command is None:
            self._refused += 1
            return
        try:
            self._on_command(command)
        except Exception:  # a bug of ours; the connection stays
            logger.exception("MQTT: %s could not be set", command.name)

    def _remove_former(self, message: Received) -> None:
        """Remove what the last watch had described, and this one does not have, such as labels."""
        if message.retained and not self._compared:
            self._compared = True
            gone = list_gone_states(self._discovery, message.payload, self._topics.root)
            self._outbox.remove_retained(gone)
            if payload := add_removals(self._discovery, message.payload):
                self._outbox.put_retained(message.topic, payload)
                self._outbox.repeat_retained()  # Home Assistant has now forgotten what expires

    def _parse(self, message: Received) -> Command | None:
        if not self._commands or not self._bucket.take():
            return None
        name = message.topic.removeprefix(self._topics.command(""))
        return parse_command(name, message.payload)


def _describe_change(record: Mapping[str, Any]) -> dict[str, object]:
    """Describe what state and event of a change share."""
    return {
        "score": round(find_score(record), 4),
        "previous": _find_label(record, "previous"),
        "region": record.get("region", ""),
    }


def _find_label(record: Mapping[str, Any], name: str = "label") -> str:
    """Find a label in a record, as the discovery lists it."""
    return str(record.get(name, "")).strip()
