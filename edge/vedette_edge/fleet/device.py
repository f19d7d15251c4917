"""The state of a device, as far as its messages tell, and what is wrong with it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace

from vedette_edge.errors import ProtocolError
from vedette_edge.fleet.messages import (
    Description,
    Health,
    LabelState,
    Picture,
    parse_available,
    parse_description,
    parse_health,
    parse_label,
    parse_paused,
    parse_picture,
)
from vedette_edge.mqtt.discovery import EXPIRE_BEATS

HOT_C = 80.0  # from here on, a Raspberry Pi slows down
SILENT_S = 180.0  # without a message, of a device whose interval is not known
MOST_REGIONS = 16  # of a device, that are shown
RANKS = {"offline": 0, "camera": 1, "silent": 2, "hot": 3, "throttled": 3, "losses": 4}


@dataclass(frozen=True, slots=True)
class Moment:
    """When a message arrived, on both clocks."""

    at: float  # s since the epoch
    monotonic_s: float


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message of a device."""

    part: str  # last level of its topic
    region: str  # level before it, of a region's state
    payload: bytes
    retained: bool  # the broker had kept it, who knows how long
    moment: Moment


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong with a device."""

    kind: str  # of RANKS
    text: str
    since: float | None = None  # s since the epoch; None if it is not known
    detail: str = ""


@dataclass(frozen=True, slots=True)
class DeviceState:
    """The newest that a device has sent."""

    device_id: str
    heard: Moment  # its latest message
    online: bool | None = None  # None: it has not said
    online_since: float | None = None  # when that changed, if we were there
    labels: Mapping[str, LabelState] = field(default_factory=dict)  # by their topic's level
    health: Health = field(default_factory=Health)
    health_arrived: float | None = None  # s since the epoch; None: before we listened
    losing: bool = False  # it lost something between its latest two heartbeats
    description: Description | None = None
    paused: bool = False
    picture: Picture | None = None

    @property
    def name(self) -> str:
        """The name for people."""
        return (self.description and self.description.name) or self.device_id

    @property
    def page(self) -> str:
        """The URL of its own page, if it has one."""
        return self.health.page or (self.description.page if self.description else "")


def take_arrival(state: DeviceState, arrival: Arrival) -> DeviceState:
    """Return the state after a message. Raises ProtocolError for one that is not valid."""
    state = TAKERS[arrival.part](state, arrival)
    return state if arrival.retained else replace(state, heard=arrival.moment)


def _take_available(state: DeviceState, arrival: Arrival) -> DeviceState:
    online = parse_available(arrival.payload)
    since = state.online_since
    if online != state.online:
        since = None if arrival.retained else arrival.moment.at
    return replace(state, online=online, online_since=since)


def _take_label(state: DeviceState, arrival: Arrival) -> DeviceState:
    label = parse_label(arrival.payload)
    if arrival.region not in state.labels and len(state.labels) >= MOST_REGIONS:
        raise ProtocolError("too many regions")
    return replace(state, labels={**state.labels, arrival.region: label})


def _take_health(state: DeviceState, arrival: Arrival) -> DeviceState:
    health, before = parse_health(arrival.payload), state.health
    if health.camera is False and before.camera is False:  # a later heartbeat has no reason
        health = replace(health, reason=health.reason or before.reason)
        if health.lost_s is None:
            health = replace(health, lost_s=before.lost_s)
    losing = before.at is not None and health.losses > before.losses
    arrived = None if arrival.retained else arrival.moment.at
    return replace(state, health=health, health_arrived=arrived, losing=losing)


def _take_settings(state: DeviceState, arrival: Arrival) -> DeviceState:
    return replace(state, paused=parse_paused(arrival.payload))


def _take_description(state: DeviceState, arrival: Arrival) -> DeviceState:
    return replace(state, description=parse_description(arrival.payload))


def _take_picture(state: DeviceState, arrival: Arrival) -> DeviceState:
    return replace(state, picture=parse_picture(arrival.payload))


TAKERS: Mapping[str, Callable[[DeviceState, Arrival], DeviceState]] = {
    "available": _take_available,
    "health": _take_health,
    "settings": _take_settings,
    "snapshot": _take_picture,
    "state": _take_label,
    "config": _take_description,
}


def list_problems(state: DeviceState, now: Moment) -> list[Problem]:
    """List what is wrong with a device, the worst first. One that is offline has no other."""
    if state.online is False:
        return [Problem("offline", "Offline", state.online_since)]
    return [*_list_camera_problems(state), *_list_silence(state, now), *_list_machine(state)]


def _list_camera_problems(state: DeviceState) -> Iterator[Problem]:
    health = state.health
    if health.camera is False:
        begin = health.at if state.health_arrived is None else state.health_arrived
        since = None if begin is None else begin - (health.lost_s or 0.0)
        yield Problem("camera", "Camera lost", since, health.reason)


def _list_silence(state: DeviceState, now: Moment) -> Iterator[Problem]:
    limit_s: float | None = SILENT_S
    if state.description:
        beat_s = state.description.heartbeat_s
        limit_s = EXPIRE_BEATS * beat_s if beat_s else None
    if limit_s and now.monotonic_s - state.heard.monotonic_s > limit_s:
        yield Problem("silent", "Online, but silent", state.heard.at)


def _list_machine(state: DeviceState) -> Iterator[Problem]:
    health = state.health
    if (health.temperature_c or 0.0) >= HOT_C:
        yield Problem("hot", f"Hot: {health.temperature_c:.0f} °C")
    if health.throttled:
        yield Problem("throttled", ", ".join(health.throttled).capitalize())
    if health.log_fails:
        yield Problem("losses", "Its log cannot be written")
    elif state.losing:
        yield Problem("losses", f"Loses records or messages, {health.losses:,} since its start")


def rank_problems(problems: list[Problem]) -> tuple[float, float]:
    """Rank a device among others, the lowest first: by its worst problem, then the newest one."""
    if not problems:
        return len(RANKS), 0.0
    worst = min(problems, key=lambda one: RANKS[one.kind])
    return RANKS[worst.kind], -(worst.since or 0.0)


def describe_device(state: DeviceState, problems: list[Problem]) -> dict[str, object]:
    """Describe a device for a browser."""
    health, description = state.health, state.description
    labels = sorted(state.labels.items())
    return {
        "id": state.device_id,
        "name": state.name,
        "page": state.page,
        "online": state.online,
        "paused": state.paused,
        "labels": [
            {"region": one.region or level, "label": one.label, "score": one.score}
            | {"since": one.since}
            for level, one in labels
        ],
        "problems": [asdict(one) for one in problems],
        "fps": health.fps,
        "camera": health.camera,
        "model": health.model,
        "temperature_c": health.temperature_c,
        "hardware": description.hardware if description else "",
        "version": description.version if description else "",
        "reported": health.at,
        "picture": state.picture.name if state.picture else "",
    }
