"""The clocks of a machine and the policy of a watch on it, for tests."""

from datetime import datetime

from vedette_edge.log.records import Record, create_record
from vedette_edge.policy.memory import PolicyMemory
from vedette_edge.policy.policy import Notification, Occurrence, Policy
from vedette_edge.policy.rule import Rule, parse_rules

DAY_S = 86_400.0
NOON = datetime(2026, 11, 26, 12, 0).timestamp()


class World:
    """A machine's clocks, and the policy of a watch on it."""

    def __init__(self, *tables: dict[str, object], memory: PolicyMemory | None = None) -> None:
        self.boot_s, self.wall = 1000.0, NOON
        self.memory = memory or PolicyMemory()
        self.policy = self.restart(parse_rules(list(tables)))

    def restart(self, rules: tuple[Rule, ...]) -> Policy:
        self.rules = rules
        self.policy = Policy(rules, self.memory, lambda: self.boot_s, lambda: self.wall)
        return self.policy

    def pass_time(self, seconds: float) -> list[Notification]:
        self.boot_s += seconds
        self.wall += seconds
        return self.policy.take_due()

    def change(self, label: str, score: float = 0.9, region: str = "") -> list[Notification]:
        fields = {"label": label, "score": score, "frame_score": score}
        record = create_record("change", self.wall) | fields
        return self.add(record | ({"region": region} if region else {}))

    def add(self, record: Record) -> list[Notification]:
        return self.policy.add(Occurrence(record))
