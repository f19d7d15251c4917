"""Entities of a watch in Home Assistant, and how to wait for them."""

from datetime import datetime

from tests.home_assistant.client import Change, Entity, HomeAssistant
from tests.home_assistant.watch import STABLE_ID, Shown


def find(entities: dict[str, Entity], key: str) -> Entity:
    """The entity with a key of ours."""
    return entities[f"{STABLE_ID}_{key}"]


def wait_for(hub: HomeAssistant, states: dict[str, str]) -> dict[str, Entity]:
    """The entities, as soon as those with these keys have these states."""
    expected = {f"{STABLE_ID}_{key}": state for key, state in states.items()}
    return hub.wait(
        lambda entities: all(
            key in entities and entities[key].state == state for key, state in expected.items()
        )
    )


def wait_for_event(hub: HomeAssistant, key: str, shown: Shown) -> dict[str, Entity]:
    """The entities, as soon as one of them has the event of a frame, or of the one after it.

    The watch may miss a frame, and the next one shows the same.
    """

    def has_it(entities: dict[str, Entity]) -> bool:
        change = find(entities, key)
        if change.state in (None, "unknown", "unavailable"):
            return False
        is_new = datetime.fromisoformat(change.state).timestamp() > shown.at - 0.001  # it has ms
        return is_new and change.attributes["frame"] >= shown.number

    return hub.wait(has_it)


def wait_for_keys(hub: HomeAssistant, *keys: str) -> dict[str, Entity]:
    """The entities, as soon as there are those with these keys, and no others."""
    expected = {f"{STABLE_ID}_{key}" for key in keys}
    return hub.wait(lambda entities: entities.keys() == expected)


def take_changes(hub: HomeAssistant, key: str) -> list[Change]:
    """The changes of one entity since the last call for any."""
    return [one for one in hub.take_changes() if one.unique_id == f"{STABLE_ID}_{key}"]


def find_last(hub: HomeAssistant, state: str) -> float:
    """The time of the last change to a state since the last call for any."""
    return max(one.at for one in hub.take_changes() if one.state == state)


def report(hub: HomeAssistant, what: str, *times_s: float) -> None:
    """Print times: the median, the 95th of 100, and the longest."""
    ordered = sorted(1000 * one for one in times_s)
    p50, p95 = (ordered[len(ordered) * share // 100] for share in (50, 95))
    text = f"p50 {p50:.0f} ms, p95 {p95:.0f} ms, at most " if len(ordered) > 1 else ""
    print(f"{hub.version}: {what}: {text}{ordered[-1]:.0f} ms")  # noqa: T201
