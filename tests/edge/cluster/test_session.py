"""Tasks on a real Dask cluster: their results in order, and what may go wrong."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from distributed import Client, get_worker
from tests.edge.dask_cluster import PLAIN, DaskCluster
from tests.edge.mosquitto import find_free_port, wait_until

from vedette_edge.cluster import session
from vedette_edge.cluster.session import LOCAL, map_in_order, open_cluster
from vedette_edge.errors import ClusterError, RemoteError, SettingError


def wait_and_square(number: int) -> int:
    time.sleep(0.2 if number % 5 == 0 else 0)
    return number**2


def end_process(_: int) -> int:
    os._exit(1)


def fail(_: int) -> int:
    raise RemoteError("http://host: 503")


def name_worker(_: int) -> str:
    time.sleep(0.01)
    return str(get_worker().name)


@pytest.fixture
def client(cluster: DaskCluster) -> Iterator[Client]:
    cluster.start_workers(PLAIN, PLAIN)
    with open_cluster(cluster.address, 0) as client:
        yield client


def test_results_come_in_the_order_of_the_items_and_few_are_ahead(client: Client) -> None:
    taken = list[int]()

    def take() -> Iterator[int]:
        for number in range(60):
            taken.append(number)
            yield number

    results = map_in_order(client, wait_and_square, take())
    assert next(results) == 0
    assert len(taken) == 2 * session.AHEAD + 1
    assert list(results) == [number**2 for number in range(1, 60)]
    assert list(map_in_order(client, wait_and_square, [])) == []


def test_a_cluster_of_this_machine_has_as_many_workers_as_asked_for() -> None:
    with open_cluster(LOCAL, 2) as client:
        assert len(set(map_in_order(client, name_worker, range(40)))) == 2
        processes = list(client.run(os.getpid).values())
        assert os.getpid() not in processes
        assert list(client.nthreads().values()) == [1, 1]
    wait_until(lambda: not any(Path(f"/proc/{one}").exists() for one in processes))


def test_work_of_a_killed_worker_is_done_by_another(
    client: Client,
    cluster: DaskCluster,
) -> None:
    results = map_in_order(client, wait_and_square, range(100))
    first = [next(results) for _ in range(10)]
    cluster.workers[0].kill()
    assert [*first, *results] == [number**2 for number in range(100)]


def test_a_task_that_ends_each_worker_ends_the_work() -> None:
    with open_cluster(LOCAL, 1) as client, pytest.raises(ClusterError, match="perhaps for lack of"):
        list(map_in_order(client, end_process, [1]))


def test_an_error_of_the_function_is_raised_here(client: Client) -> None:
    with pytest.raises(RemoteError, match=r"^http://host: 503$"):
        list(map_in_order(client, fail, range(3)))


def test_a_lost_scheduler_is_an_error(client: Client, cluster: DaskCluster) -> None:
    results = map_in_order(client, wait_and_square, range(10_000))
    next(results)
    cluster.scheduler.kill()
    with pytest.raises(ClusterError, match="the connection to the scheduler is lost"):
        list(results)


def test_without_a_worker_that_takes_part_there_is_an_error_and_not_for_a_moment(
    client: Client,
    cluster: DaskCluster,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(session, "LOOK_S", 0.1)
    results = map_in_order(client, wait_and_square, range(1000))
    next(results)
    for worker in cluster.workers:
        worker.send_signal(signal.SIGKILL)
    cluster.start_workers(PLAIN)
    assert next(results) == 1
    results.close()  # type: ignore[attr-defined]
    monkeypatch.setattr(session, "MOST_IDLE_S", 1)
    with pytest.raises(ClusterError, match="for 1 s, the cluster had no worker that takes part"):
        list(map_in_order(client, wait_and_square, [1], {"other": 1}))


@pytest.mark.parametrize("address", ["rubbish", "host:8786", "tcp://host", "foo://host:1", ""])
def test_what_is_no_address_is_an_error_at_once(address: str) -> None:
    with (
        pytest.raises(SettingError, match="expected tcp://host:8786 or the like, or local"),
        open_cluster(address, 1),
    ):
        pass


def test_where_nobody_listens_it_says_what_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "CONNECT_S", 1)
    address = f"tcp://127.0.0.1:{find_free_port()}"
    with (
        pytest.raises(ClusterError, match="start one with: dask scheduler"),
        open_cluster(address, 1),
    ):
        pass


def test_a_scheduler_without_workers_is_an_error(
    cluster: DaskCluster,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(session, "CONNECT_S", 3)
    with (
        pytest.raises(ClusterError, match=f"start one with: dask worker {cluster.address}"),
        open_cluster(cluster.address, 1),
    ):
        pass
