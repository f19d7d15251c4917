"""The removal of a device from a broker, and thereby from Home Assistant."""

from dataclasses import dataclass

from vedette_edge.errors import BrokerError
from vedette_edge.mqtt.config import MqttConfig
from vedette_edge.mqtt.topics import Topics
from vedette_edge.mqtt.visit import Visit, limit_time

TIMEOUT_S = 10.0
SETTLE_S = 1.0  # for Home Assistant to forget the device; it would complain of empty states


@dataclass(frozen=True, slots=True)
class Removal:
    """The topics that were removed, and whether a watch seemed to be online."""

    topics: tuple[str, ...]
    was_online: bool


def remove_device(config: MqttConfig, timeout_s: float = TIMEOUT_S) -> Removal:
    """Remove all retained messages of a device, and check that none is left.

    Raises BrokerError, also if the broker keeps some, as it does for a user who may not write.
    """
    return limit_time(lambda: _remove(config, timeout_s), timeout_s + 1)


def _remove(config: MqttConfig, timeout_s: float) -> Removal:
    topics = Topics.from_config(config)
    filters = (f"{topics.root}/#", topics.discovery)
    with Visit(config, timeout_s) as visit:
        kept = visit.read_retained(filters)
        if topics.discovery in kept:
            visit.remove_retained([topics.discovery])
            visit.pause(SETTLE_S)
        visit.remove_retained(sorted(kept.keys() - {topics.discovery}))
    with Visit(config, timeout_s) as visit:
        if left := visit.read_retained(filters):
            raise BrokerError(
                f"{config.broker.name}: {len(left)} topics are still there, such as "
                f"{min(left)!r}; let this user write them in the broker's ACL file, and stop a "
                "watch that is online"
            )
    return Removal(tuple(sorted(kept)), kept.get(topics.available) == b"online")
