"""Tasks on the workers of a real Dask cluster: their results in order, and what may go wrong."""

import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
from distributed import Future, get_worker
from tests.edge.cluster.conftest import end_process, get_ready, wait_and_square
from tests.edge.dask_cluster import PLAIN, DaskCluster

from vedette_edge.cluster import LOCAL, team
from vedette_edge.cluster.session import open_cluster
from vedette_edge.cluster.team import Team
from vedette_edge.errors import ClusterError, RemoteError


def make_bytes(_: int, size: int) -> bytes:
    return bytes(size)


def fail(_: int, error: Exception) -> None:
    raise error


def name_worker(*_: int) -> str:
    time.sleep(0.01)
    return str(get_worker().name)


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


def test_an_item_that_ends_each_worker_ends_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(team, "IDLE_PAUSES", 2400)  # a busy machine starts workers slowly
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
    with pytest.raises(ClusterError, match=r"for 1 s, no worker .* start some with: dask worker A"):
        list(two.map_in_order(wait_and_square, range(10)))


def test_a_result_may_take_longer_than_a_look(
    two: Team[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(team, "LOOK_S", 0.01)
    assert [len(one) for one in two.map_in_order(make_bytes, [60 << 20])] == [60 << 20]


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
