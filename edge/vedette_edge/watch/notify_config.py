"""The configuration of the outputs besides the log.

Imports no numpy: `vedette check` reads the same settings, also where numpy is broken.
"""

from dataclasses import dataclass, field
from pathlib import Path

from vedette_edge.mqtt.config import MqttConfig
from vedette_edge.policy.rule import Rule
from vedette_edge.sinks.snapshot_files import SnapshotLimits


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
