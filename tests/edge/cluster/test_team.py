"""Tasks on the workers of a real Dask cluster: their results in order, and what may go wrong."""

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
from distributed import Client, Future, get_worker
from tests.edge.dask_cluster import PLAIN, DaskCluster
from tests.edge.mosquitto import wait_until

from vedette_edge.cluster import LOCAL, team
from vedette_edge.cluster.session import open_cluster
from vedette_edge.cluster.team import Team
from vedette_edge.errors import ClusterError, RemoteError, SettingError


def get_ready() -> int:
    return 2


def refuse() -> int:
    raise SettingError("it is Monday")


def hang() -> int:
    time.sleep(3)
    return 2


def wait_and_square(power: int, number: int) -> int:
    time.sleep(0.2 if number % 5 == 0 else 0)
    return int(number**power)


def forget_states() -> None:
    team._states.clear()


def count_states() -> int:
    return len(team._states)


def make_bytes(_: int, size: int) -> bytes:
    return bytes(size)


def forget_state(*_: object) -> str:
    return ""


def refuse_third() -> int:
    if refusal := os.environ.get("THIRD"):
        raise SettingError(refusal)
    return 2


def become_third() -> None:
    os.environ["THIRD"] = "now it is Monday"


def end_process(*_: int) -> int:
    os._exit(1)


def fail(_: int, error: Exception) -> None:
    raise error


def name_worker(*_: int) -> str:
    time.sleep(0.01)
    return str(get_worker().name)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(team, "LOOK_S", 0.2)


@pytest.fixture
def client(cluster: DaskCluster) -> Iterator[Client]:
    cluster.start_workers(PLAIN, PLAIN)
    with open_cluster(cluster.address, 0) as client:
        yield client


@pytest.fixture
def two(client: Client) -> Team[int]:
    """A team of two workers."""
    two = Team(client, get_ready, print)
    two.gather()
    return two


def test_results_come_in_the_order_of_the_items_and_few_are_ahead(two: Team[int]) -> None:
    taken = list[int]()

    def take() -> Iterator[int]:
        for number in range(60):
            taken.append(number)
            yield number

    results = two.map_in_order(wait_and_square, take())
    assert next(results) == 0
    assert len(taken) == 2 * team.AHEAD + 1
    assert list(results) == [number**2 for number in range(1, 60)]
    assert list(two.map_in_order(wait_and_square, [])) == []
    assert len(set(two.map_in_order(name_worker, range(40)))) == 2


def test_work_of_a_killed_worker_is_done_by_another(two: Team[int], cluster: DaskCluster) -> None:
    results = two.map_in_order(wait_and_square, range(100))
    first = [next(results) for _ in range(10)]
    cluster.workers[0].kill()
    assert [*first, *results] == [number**2 for number in range(100)]


def test_work_of_all_killed_workers_is_done_by_a_new_one(
    two: Team[int], cluster: DaskCluster
) -> None:
    results = two.map_in_order(wait_and_square, range(60))
    first = [next(results) for _ in range(10)]
    for worker in cluster.workers:
        worker.kill()
    cluster.start_workers(PLAIN)
    assert [*first, *results] == [number**2 for number in range(60)]


def test_a_worker_that_stands_still_delays_its_own_work_alone(
    two: Team[int], cluster: DaskCluster
) -> None:
    results = two.map_in_order(wait_and_square, range(60))
    first = [next(results) for _ in range(10)]
    cluster.workers[0].send_signal(signal.SIGSTOP)
    time.sleep(1)
    cluster.workers[0].send_signal(signal.SIGCONT)
    assert [*first, *results] == [number**2 for number in range(60)]


def test_an_item_that_ends_each_worker_ends_the_work() -> None:
    with open_cluster(LOCAL, 1) as client:
        alone = Team(client, get_ready, print)
        alone.gather()
        with pytest.raises(ClusterError, match="perhaps for lack of memory"):
            list(alone.map_in_order(end_process, [1]))


@pytest.mark.parametrize("error", [RemoteError("http://host: 503"), TimeoutError("late")])
def test_an_error_of_the_function_is_raised_here(two: Team[int], error: Exception) -> None:
    with pytest.raises(type(error), match=str(error)):
        list(two.map_in_order(fail, [error]))


def test_a_lost_scheduler_is_an_error(two: Team[int], cluster: DaskCluster) -> None:
    results = two.map_in_order(wait_and_square, range(10_000))
    next(results)
    cluster.scheduler.kill()
    with pytest.raises(ClusterError, match="the connection to the scheduler is lost"):
        list(results)


def test_without_workers_there_is_an_error_and_not_for_a_moment(
    two: Team[int], cluster: DaskCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(team, "IDLE_PAUSES", 10)
    for worker in cluster.workers:
        worker.kill()
    with pytest.raises(ClusterError, match=r"for 1 s, no worker .* start one with: dask worker"):
        list(two.map_in_order(wait_and_square, range(10)))


def test_workers_that_refuse_or_cannot_prove_anything_take_no_part(client: Client) -> None:
    with pytest.raises(ClusterError, match=r"no worker takes part\. .*it is Monday.* and "):
        Team(client, refuse, print).gather()
    with pytest.raises(ClusterError, match="cannot load Vedette, or fails: ZeroDivisionError"):
        Team(client, lambda: 1 // 0, print).gather()


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


def test_a_result_may_take_longer_than_a_look(
    two: Team[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(team, "LOOK_S", 0.01)
    assert [len(one) for one in two.map_in_order(make_bytes, [60 << 20])] == [60 << 20]


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
    with pytest.raises(ClusterError, match=r"start one with: dask worker, .*: now it is Monday"):
        list(results)


def test_all_work_of_lost_workers_is_given_out_again_at_once(
    two: Team[int], cluster: DaskCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = two.map_in_order(name_worker, range(30))
    next(results)
    for worker in cluster.workers:
        worker.kill()
    cluster.start_workers(PLAIN)
    waits = list[bool]()
    take = team._take_answer

    def note_wait(future: Future[Any]) -> Any:
        answer = take(future)
        waits.append(answer is team._PENDING)
        return answer

    monkeypatch.setattr(team, "_take_answer", note_wait)
    monkeypatch.setattr(team, "LOOK_S", 1.0)
    assert len(list(results)) == 29
    assert sum(waits) < 2 * team.AHEAD  # one each, if only the first were looked at
