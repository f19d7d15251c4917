"""The devices of a broker, and the order in which a page shows them."""

import re
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from vedette_edge.errors import ProtocolError
from vedette_edge.fleet.device import (
    TAKERS,
    Arrival,
    DeviceState,
    Moment,
    describe_device,
    list_problems,
    rank_problems,
    take_arrival,
)
from vedette_edge.fleet.messages import Picture
from vedette_edge.mqtt.config import MqttConfig
from vedette_edge.mqtt.connection import Received

MOST_DEVICES = 200  # that are shown
MOST_OTHERS = 10_000  # that are counted beyond them
ROOTS = ("available", "config")  # topics without which a broker has forgotten a device
_ID = "[A-Za-z0-9_-]{1,64}"
_REGION = "[A-Za-z0-9_-]{1,100}"


@dataclass(frozen=True, slots=True)
class ShownDevice:
    """A device as pages have it."""

    fields: dict[str, object]
    rank: tuple[float, float]
    sort_name: Sequence[str | int]  # with numbers as such: pi-9 stands before pi-10
    version: int  # of the roster when it changed last


class Roster:
    """The newest of each device: bounded, whatever arrives. Several threads may use it."""

    def __init__(self, config: MqttConfig) -> None:
        self._base, self._parts = config.base, _compile_topics(config)
        self._lock = threading.Lock()
        self._states: dict[str, DeviceState] = {}
        self._others: set[str] = set()  # ids of devices beyond the limit
        self._shown: dict[str, ShownDevice] = {}
        self.broker = config.broker.name
        self.problem = "connecting"  # with the broker; empty: none
        self.ignored = 0  # messages that were not valid
        self.version = 0

    def take(self, message: Received) -> None:
        """Take a message. One that is not valid is ignored and counted."""
        moment = Moment(time.time(), time.monotonic())
        match = self._parts.fullmatch(message.topic)
        with self._lock:
            if not match:  # other makers' devices describe themselves to Home Assistant, too
                self.ignored += message.topic.startswith(f"{self._base}/")
                return
            device_id = match["id"] or match["described"]
            part = match["part"] or ("config" if match["described"] else "state")
            retained, region = message.retained, match["region"] or ""
            self._put(device_id, Arrival(part, region, message.payload, retained, moment))

    def restart_silence(self) -> None:
        """Give all devices time to be heard, after a time in which nobody listened."""
        moment = Moment(time.time(), time.monotonic())
        with self._lock:
            self._states = {key: replace(one, heard=moment) for key, one in self._states.items()}

    def update(self) -> bool:
        """Bring up to date what pages show; True if anything changed."""
        now = Moment(time.time(), time.monotonic())
        with self._lock:
            shown = {key: self._show(one, now) for key, one in self._states.items()}
            changed = shown != self._shown
            self._shown = shown
        return changed

    def list_order(self) -> list[str]:
        """List the ids: those in trouble first, the worst and newest of them; then by name."""
        shown = self._shown
        return sorted(shown, key=lambda key: (shown[key].rank, shown[key].sort_name, key))

    def list_devices(self, after: int = -1) -> list[dict[str, object]]:
        """List the devices in their order, of those that changed after a version."""
        shown = (self._shown[key] for key in self.list_order())
        return [one.fields for one in shown if one.version > after]

    def describe(self) -> dict[str, object]:
        """Describe the connection, and how many devices and messages are left out."""
        more, is_all = len(self._others), len(self._others) < MOST_OTHERS
        counts = {"more": more, "more_is_all": is_all, "ignored": self.ignored}
        return {"broker": self.broker, "problem": self.problem, **counts}

    def find_picture(self, device_id: str) -> Picture | None:
        """Find the newest picture of a device."""
        with self._lock:
            state = self._states.get(device_id)
        return state.picture if state else None

    def _put(self, device_id: str, arrival: Arrival) -> None:
        if not arrival.payload:
            self._remove(device_id, arrival)
            return
        state = self._states.get(device_id) or DeviceState(device_id, arrival.moment)
        try:
            state = take_arrival(state, arrival)
        except ProtocolError:
            self.ignored += 1
            return
        described = state.description
        if described and described.available != f"{self._base}/{device_id}/available":
            return  # a device of another fleet on this broker
        if device_id in self._states or len(self._states) < MOST_DEVICES:
            self._states[device_id] = state
        elif len(self._others) < MOST_OTHERS:
            self._others.add(device_id)

    def _remove(self, device_id: str, arrival: Arrival) -> None:
        """Forget a device, or a region of it, of which the broker keeps nothing any more."""
        state = self._states.get(device_id)
        if arrival.part in ROOTS:
            self._states.pop(device_id, None)
            self._others.discard(device_id)
        elif state and arrival.part == "state":
            labels = {key: one for key, one in state.labels.items() if key != arrival.region}
            self._states[device_id] = replace(state, labels=labels)

    def _show(self, state: DeviceState, now: Moment) -> ShownDevice:
        """Show a device; the same as before if nothing changed."""
        problems = list_problems(state, now)
        fields = describe_device(state, problems)
        before = self._shown.get(state.device_id)
        if before and before.fields == fields:
            return before
        self.version += 1
        sort_name = [
            int(part) if part.isdecimal() else part
            for part in re.split(r"(\d+)", state.name.casefold())
        ]
        return ShownDevice(fields, rank_problems(problems), sort_name, self.version)


def list_filters(config: MqttConfig) -> list[str]:
    """List the filters of all topics that tell of devices, the most important first."""
    base = config.base
    parts = [f"{base}/+/{part}" for part in TAKERS if part != "config"]
    return [*parts, f"{base}/+/+/state", f"{config.prefix}/device/+/config"]


def _compile_topics(config: MqttConfig) -> re.Pattern[str]:
    base, prefix = re.escape(config.base), re.escape(config.prefix)
    parts = "|".join(part for part in TAKERS if part != "config")
    own = rf"{base}/(?P<id>{_ID})/(?:(?P<part>{parts})|(?P<region>{_REGION})/state)"
    return re.compile(rf"{own}|{prefix}/device/vedette_(?P<described>{_ID})/config")
