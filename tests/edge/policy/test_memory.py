"""The memory of rules: it outlives the watch and the machine, and may be damaged."""

import json
from pathlib import Path

import pytest
from tests.edge.policy.world import DAY_S, World

from vedette_edge.policy.memory import PolicyMemory
from vedette_edge.policy.rule import parse_rules


def test_the_memory_outlives_a_restart_and_a_boot(tmp_path: Path) -> None:
    path = tmp_path / "policy.json"
    world = World({"first": "day", "cooldown": 600}, memory=PolicyMemory(path, lambda: "one"))
    assert world.change("fox")
    path.write_text(json.dumps(world.memory.to_dict()), "utf-8")

    world.memory = PolicyMemory(path, lambda: "one")
    world.restart(world.rules)
    world.pass_time(60)
    assert not world.change("fox")
    assert not world.change("hen")
    assert not world.pass_time(539)
    assert [one.occurrence.label for one in world.pass_time(1)] == ["hen"]

    world.memory = PolicyMemory(path, lambda: "two")
    world.restart(world.rules)
    world.boot_s = 20.0
    assert not world.change("fox")
    world.wall += DAY_S
    assert world.change("fox")


def test_the_firsts_of_all_labels_of_a_large_model_outlive_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "policy.json"
    tables: list[dict[str, object]] = [{"first": "ever", "score": 0.01 * one} for one in range(30)]
    world = World(*tables, memory=PolicyMemory(path))
    labels = [f"label number {one:04} of a model" for one in range(1002)]
    assert all(len(world.change(label)) == 30 for label in labels)
    path.write_text(json.dumps(world.memory.to_dict()), "utf-8")
    world.memory = PolicyMemory(path)
    world.restart(world.rules)
    assert not any(world.change(label) for label in labels)


def test_a_boot_shortly_after_a_notification_is_within_its_cooldown(tmp_path: Path) -> None:
    path = tmp_path / "policy.json"
    world = World({"cooldown": 600}, memory=PolicyMemory(path, lambda: "one"))
    assert world.change("fox")
    path.write_text(json.dumps(world.memory.to_dict()), "utf-8")
    world.memory = PolicyMemory(path, lambda: "two")
    world.restart(world.rules)
    world.boot_s = 20.0
    world.wall -= 3600  # a clock without a battery
    assert not world.change("fox")
    world.pass_time(580)
    assert world.change("fox")


def test_a_changed_rule_forgets_and_the_others_remember(tmp_path: Path) -> None:
    path = tmp_path / "policy.json"
    tables: list[dict[str, object]] = [{"first": "ever"}, {"first": "ever", "label": "fox"}]
    world = World(*tables, memory=PolicyMemory(path))
    assert len(world.change("fox")) == 2
    path.write_text(json.dumps(world.memory.to_dict()), "utf-8")
    assert len(json.loads(path.read_text("utf-8"))["rules"]) == 2
    tables[1]["label"] = ["fox", "hen"]
    world.memory = PolicyMemory(path)
    world.restart(parse_rules(tables))
    (sent,) = world.change("fox")
    assert sent.rule.labels == ("fox", "hen")
    assert len(json.loads(json.dumps(world.memory.to_dict()))["rules"]) == 3


def test_a_rule_that_comes_back_remembers_for_a_month() -> None:
    tables: list[dict[str, object]] = [{"first": "ever", "label": "fox"}]
    world = World(*tables)
    assert world.change("fox")
    for days, sent in ((29, 0), (31, 1)):
        world.restart(parse_rules([]))
        world.pass_time(days * DAY_S)
        world.restart(parse_rules([]))
        world.restart(parse_rules(tables))
        assert len(world.change("fox")) == sent


def test_what_a_rule_sends_may_change_and_equal_conditions_have_memories_of_their_own() -> None:
    tables: list[dict[str, object]] = [{"first": "ever", "webhook": "http://one"}] * 2
    world = World(*tables)
    assert len(world.change("fox")) == 2
    other: dict[str, object] = {"first": "ever", "webhook": "http://two", "snapshot": True}
    world.restart(parse_rules([tables[0], other]))
    assert not world.change("fox")
    world.restart(parse_rules([*tables, other]))
    assert len(world.change("fox")) == 1


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"\xff\xfe", b'{"boot": 1, "rules": {"a": 5}}', b"[" * 100_000],
)
def test_a_damaged_memory_counts_as_empty(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "policy.json"
    path.write_bytes(content)
    world = World({"first": "ever"}, memory=PolicyMemory(path))
    assert world.change("fox")
