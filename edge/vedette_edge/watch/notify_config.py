"""The configuration of the outputs besides the log, and the settings that were set over MQTT.

Imports no numpy: `vedette check` reads the same settings, also where numpy is broken.
"""

import logging
from dataclasses import dataclass, field, replace
from pathlib import Path

from vedette_edge.errors import SettingError
from vedette_edge.files import find_state_directory
from vedette_edge.mqtt.config import MqttConfig
from vedette_edge.mqtt.settings_file import load_overrides
from vedette_edge.policy.rule import Rule
from vedette_edge.sinks.snapshot_files import SnapshotLimits
from vedette_edge.watch.config import WatchConfig

SETTINGS_FILE = "settings.json"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class NotifyConfig:
    """The outputs of a watch besides its log, and the rules for what they are sent."""

    mqtt: MqttConfig | None = None
    snapshots: Path | None = None  # folder
    limits: SnapshotLimits = field(default_factory=SnapshotLimits)
    marks_regions: bool = False  # a second copy of each snapshot has its region drawn
    rules: tuple[Rule, ...] = ()

    @property
    def is_used(self) -> bool:
        """True if there is an output."""
        return bool(self.mqtt or self.snapshots or self.has_webhooks)

    @property
    def has_webhooks(self) -> bool:
        """True if a rule has a webhook."""
        return any(rule.webhook for rule in self.rules)

    @property
    def effective_rules(self) -> tuple[Rule, ...]:
        """The rules; without any, each change with its snapshot."""
        return self.rules or (Rule(snapshot=True),)


def apply_overrides(
    config: NotifyConfig, watch: WatchConfig
) -> tuple[WatchConfig, dict[str, float]]:
    """Apply the settings that Home Assistant has set; return these, too.

    Settings that are damaged or contradict each other count for nothing, and a warning says so.
    """
    folder = find_state_directory()
    if not (folder and config.mqtt and config.mqtt.commands):
        return watch, {}
    path = folder / SETTINGS_FILE
    overrides = dict[str, float]()
    try:
        overrides = load_overrides(path)
        enter, leave = (overrides.get(name, getattr(watch, name)) for name in ("enter", "leave"))
        changed = replace(watch, enter=enter, leave=leave)
    except SettingError as error:
        place = f"{path}: " if overrides else ""  # the two contradict each other
        logger.warning("%s%s\nThe watch uses its own settings", place, error)
        return watch, {}
    for name, value in overrides.items():
        configured = getattr(watch, name)
        logger.info("%s is %g, set over MQTT, and not %g as configured", name, value, configured)
    return changed, overrides
