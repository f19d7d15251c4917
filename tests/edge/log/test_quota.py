"""The limit to the bytes of a day, on a simulated clock."""

import json
import math
import random

import pytest

from vedette_edge.log.quota import ALWAYS, HOUR_S, Quota

ANOTHER_BOOT = {"boot": "another"}


def test_the_days_bytes_come_back_as_the_hours_go_by() -> None:
    quota = Quota(1250)
    hours = {hour: quota.admits("change", 100, hour * HOUR_S) for hour in range(40)}
    assert [hour for hour, admitted in hours.items() if admitted] == [*range(10), *range(25, 35)]


@pytest.mark.parametrize("boots", [False, True])
def test_in_no_24_hours_more_than_the_days_bytes_are_admitted(boots: bool) -> None:
    """Also not across restarts, after which another boot's clock begins anywhere."""
    quota, spent, offset_s, dice = Quota(10_000), list[tuple[float, int]](), 0.0, random.Random(7)
    for second in range(0, 100 * HOUR_S, 97):
        if second % 11 == 0:
            saved = quota.save(second + offset_s, 0)
            quota = Quota(10_000)
            if boots:
                saved |= ANOTHER_BOOT
                offset_s = dice.uniform(0, 1e6)
            quota.restore(json.loads(json.dumps(saved)), second + offset_s, 0)
        if quota.admits("change", 50 + second % 31, second + offset_s):
            spent.append((second, 50 + second % 31))
    for begin, _ in spent:
        assert sum(count for at, count in spent if begin <= at < begin + 24 * HOUR_S) <= 8_000
    assert {at // HOUR_S // 25 for at, _ in spent} == {0, 1, 2, 3}  # it goes on each day


def test_after_a_restart_time_counts_only_if_the_machine_was_on() -> None:
    before = Quota(1000)
    before.spend(700, 5.5 * HOUR_S)
    saved = before.save(7.0 * HOUR_S, 0)
    for boot, on_s, expected in (({}, 40.0, 0), (ANOTHER_BOOT, 40.0, 700), ({}, 8.0, 700)):
        quota = Quota(1000)
        quota.restore(saved | boot, on_s * HOUR_S, 0)
        assert quota.spent(on_s * HOUR_S) == expected


def test_what_a_killed_watch_did_not_save_is_counted_by_the_size_of_the_log() -> None:
    before, quota = Quota(1000), Quota(1000)
    before.spend(200, 0.0)
    quota.restore(before.save(0.0, 50_200), 60.0, 50_500)
    assert quota.spent(60.0) == 500


@pytest.mark.parametrize(
    "damage",
    [
        {"hours": None},
        {"hours": [1, "x"]},
        {"hours": [math.inf]},
        {"at_s": []},
        {"size": {}},
        {"begun_s": -1},
    ],
)
def test_damaged_values_count_as_empty(damage: dict[str, object]) -> None:
    before, quota = Quota(1000), Quota(1000)
    before.spend(700, 0.0)
    quota.restore(before.save(0.0, 0) | damage, 60.0, 0)
    quota.restore({}, 60.0, 0)
    assert quota.spent(60.0) == 0


@pytest.mark.parametrize("at_s", [1e300, math.inf, -math.inf, math.nan])
def test_a_damaged_time_does_not_spend_the_quota_for_ever(at_s: float) -> None:
    before, quota = Quota(1000), Quota(1000)
    before.spend(1000, 0.0)
    quota.restore(before.save(0.0, 0) | {"at_s": at_s}, 60.0, 0)
    assert quota.spent(26.0 * HOUR_S) == 0


def test_what_was_spent_before_the_disk_answered_counts_too() -> None:
    before, quota = Quota(1000), Quota(1000)
    before.spend(700, 100.9 * HOUR_S)
    quota.spend(200, 200.1 * HOUR_S)
    quota.restore(before.save(100.9 * HOUR_S, 0) | ANOTHER_BOOT, 200.1 * HOUR_S, 0)
    spent = {hour: quota.spent((200.1 + hour) * HOUR_S) for hour in (0, 24.05, 25.2)}
    assert spent == {0: 900, 24.05: 900, 25.2: 0}


def test_the_records_that_matter_are_admitted_whatever_was_spent() -> None:
    quota = Quota(1000)
    quota.spend(10**9, 0.0)
    for event in ALWAYS:
        assert quota.admits(event, 600, 10.0)
    assert not quota.admits("change", 1, 10.0)
    assert quota.spent(10.0) == 10**9 + 600 * len(ALWAYS)
    minutes = [minute for minute in range(200) if quota.admits("heartbeat", 180, 60.0 * minute)]
    assert minutes == [0, 60, 120, 180]
