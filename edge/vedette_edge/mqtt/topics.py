"""The topics of one device."""

import hashlib
import re
from dataclasses import dataclass

from vedette_edge.mqtt.config import MqttConfig

RESERVED = {"set"}  # levels that no region may have: <id>/set/state would be a command
_SLUG = re.compile(r"[A-Za-z0-9_-]{1,32}")
_HASHED = re.compile(r".*-[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one device. All messages have QoS 1."""

    root: str  # base and id
    prefix: str  # of Home Assistant's discovery
    device_id: str

    @classmethod
    def from_config(cls, config: MqttConfig) -> "Topics":
        """Build the topics of a configuration."""
        return cls(f"{config.base}/{config.device_id}", config.prefix, config.device_id)

    @property
    def available(self) -> str:
        """`online` or `offline`; retained, and the last will."""
        return f"{self.root}/available"

    @property
    def snapshot(self) -> str:
        """The JPEG of the frame that caused the latest change; retained."""
        return f"{self.root}/snapshot"

    @property
    def health(self) -> str:
        """The latest heartbeat; retained."""
        return f"{self.root}/health"

    @property
    def settings(self) -> str:
        """The settings that may be set; retained."""
        return f"{self.root}/settings"

    @property
    def discovery(self) -> str:
        """Home Assistant's description of the device; retained."""
        return f"{self.prefix}/device/vedette_{self.device_id}/config"

    @property
    def status(self) -> str:
        """`online` when Home Assistant starts; it publishes this."""
        return f"{self.prefix}/status"

    def command(self, name: str) -> str:
        """The topic that takes a command, or `+` for all of them."""
        return f"{self.root}/set/{name}"

    def state(self, region: str) -> str:
        """The label of a region; retained."""
        return self._within(region, "state")

    def event(self, region: str) -> str:
        """The changes of a region; not retained."""
        return self._within(region, "event")

    def _within(self, region: str, name: str) -> str:
        level = f"{make_slug(region)}/" if region else ""
        return f"{self.root}/{level}{name}"


def make_slug(name: str) -> str:
    """Make a name safe for topics and ids. Different names have different slugs."""
    if _SLUG.fullmatch(name) and not _HASHED.fullmatch(name) and name not in RESERVED:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    readable = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:32].strip("-")
    return f"{readable or 'x'}-{digest}"
