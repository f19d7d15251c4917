"""The workers of a real Dask cluster that take part, and those that do not."""

import os
import time

import pytest
from distributed import Client, Future
from tests.edge.cluster.conftest import end_process, get_ready, wait_and_square
from tests.edge.dask_cluster import PLAIN, DaskCluster
from tests.edge.mosquitto import wait_until

from vedette_edge.cluster import LOCAL, team
from vedette_edge.cluster.session import open_cluster
from vedette_edge.cluster.team import Team
from vedette_edge.errors import ClusterError, SettingError


def refuse() -> int:
    raise SettingError("it is Monday")


def hang() -> int:
    time.sleep(3)
    return 2


def forget_states() -> None:
    team._states.clear()


def count_states() -> int:
    return len(team._states)


def forget_state(*_: object) -> str:
    return ""


def refuse_third() -> int:
    if refusal := os.environ.get("THIRD"):
        raise SettingError(refusal)
    return 2


def become_third() -> None:
    os.environ["THIRD"] = "now it is Monday"


def test_workers_that_refuse_or_cannot_prove_anything_take_no_part(client: Client) -> None:
    with pytest.raises(
        ClusterError, match=r"no worker takes part\. tcp\S+ and tcp\S+: it is Monday$"
    ):
        Team(client, refuse, print).gather()
    with pytest.raises(ClusterError, match="cannot load Vedette, or fails: ZeroDivisionError"):
        Team(client, lambda: 1 // 0, print).gather()


def test_an_answer_that_is_slow_to_come_is_waited_for(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, late = Future.result, [True, True, True]

    def read_late(future: "Future[str]", timeout: float | None = None) -> str:
        if late:
            late.pop()
            raise TimeoutError("timed out after 0.2 s.")
        return str(read(future, timeout))

    monkeypatch.setattr(Future, "result", read_late)
    pair = Team(client, get_ready, print)
    pair.gather()
    assert len(pair.members) == 2
    assert not late


def test_a_worker_that_is_late_takes_part_later(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(team, "PROVE_PAUSES", 5)
    slow = Team(client, hang, print)
    with pytest.raises(ClusterError, match="no answer so far"):
        slow.gather()

    def count_members() -> int:
        slow.look()
        return len(slow.members)

    wait_until(lambda: count_members() == 2)


def test_a_worker_at_the_address_of_a_lost_one_must_get_ready_first(
    client: Client, cluster: DaskCluster
) -> None:
    """The lost one's tasks may reach it before that is known."""
    forgetful = Team(client, get_ready, print)
    forgetful.gather()
    results = forgetful.map_in_order(wait_and_square, range(100))
    first = [next(results) for _ in range(10)]
    client.run(forget_states)
    assert set(client.run(count_states).values()) == {0}
    assert [*first, *results] == [number**2 for number in range(100)]
    assert len(forgetful.members) == 2


def test_more_workers_that_are_not_ready_than_tries_get_ready_again() -> None:
    with open_cluster(LOCAL, 5) as client:
        many = Team(client, hang, print)
        many.gather()
        client.run(forget_states)
        assert list(many.map_in_order(wait_and_square, range(5))) == [0, 1, 4, 9, 16]


def test_a_worker_with_too_many_teams_at_once_says_so(
    two: Team[int], client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(team, "_keep_state", forget_state)
    thrashing = Team(client, get_ready, print)
    thrashing.gather()
    with pytest.raises(ClusterError, match="workers have dropped this run"):
        list(thrashing.map_in_order(wait_and_square, range(9)))
    assert list(two.map_in_order(wait_and_square, range(9)))[-1] == 64


def test_a_worker_that_takes_an_address_again_is_another_one(
    client: Client, cluster: DaskCluster
) -> None:
    pair = Team(client, get_ready, print)
    pair.gather()
    before = pair.members
    address = cluster.read_address("worker-0")
    cluster.workers[0].kill()
    cluster.workers[0].wait()
    cluster.start_workers(PLAIN, port=int(address.rpartition(":")[2]))

    def find_new() -> frozenset[str]:
        pair.look()
        return pair.members - before

    wait_until(lambda: bool(find_new()))
    assert [pair._workers[one].address for one in find_new()] == [address]
    assert len(pair.members) == 2


def test_workers_that_end_while_they_get_ready_are_waited_for_and_then_an_error(
    monkeypatch: pytest.MonkeyPatch, cluster: DaskCluster
) -> None:
    monkeypatch.setattr(team, "PROVE_PAUSES", 20)
    cluster.start_workers(PLAIN)
    with (
        open_cluster(cluster.address, 0) as client,
        pytest.raises(ClusterError, match=r"no worker takes part\. All are lost, perhaps as"),
    ):
        Team(client, end_process, print).gather()


def test_a_worker_that_refuses_later_is_reported(cluster: DaskCluster, client: Client) -> None:
    refusals = list[str]()
    late = Team(client, refuse_third, refusals.append)
    late.gather()
    results = late.map_in_order(wait_and_square, range(100))
    first = [next(results) for _ in range(10)]
    cluster.start_workers("import os; os.environ['THIRD'] = 'it is Monday'")
    assert [*first, *results] == [number**2 for number in range(100)]
    assert refusals == [f"{cluster.read_address('worker-2')}: it is Monday"]


def test_without_ready_workers_the_error_has_their_reasons(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(team, "IDLE_PAUSES", 10)
    forgetful = Team(client, refuse_third, print)
    forgetful.gather()
    results = forgetful.map_in_order(wait_and_square, range(100))
    next(results)
    client.run(become_third)
    client.run(forget_states)
    with pytest.raises(ClusterError, match=r"start some with: dask worker A.*: now it is Monday"):
        list(results)
