"""Connections to a real Dask cluster, and to what is none."""

import os
import socket
from pathlib import Path

import pytest
from tests.edge.dask_cluster import NOT_INSTALLED, PLAIN, DaskCluster
from tests.edge.mosquitto import find_free_port, wait_until

from vedette_edge.cluster import LOCAL, session
from vedette_edge.cluster.session import open_cluster
from vedette_edge.errors import ClusterError, SettingError


def test_a_cluster_of_this_machine_has_as_many_workers_as_asked_for() -> None:
    with open_cluster(LOCAL, 2) as client:
        processes = list(client.run(os.getpid).values())
        assert len({os.getpid(), *processes}) == 3
        assert list(client.nthreads().values()) == [1, 1]
    wait_until(lambda: not any(Path(f"/proc/{one}").exists() for one in processes))


@pytest.mark.parametrize(
    "address", ["rubbish", "host:8786", "tcp://host", "foo://host:1", "tcp://a b:1", ""]
)
def test_what_is_no_address_is_an_error_at_once(address: str) -> None:
    with (
        pytest.raises(SettingError, match="expected tcp://host:8786 or the like, or local"),
        open_cluster(address, 1),
    ):
        pass


@pytest.mark.parametrize("scheme", ["tcp", "tls"])
def test_where_nobody_listens_it_says_what_to_start(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "CONNECT_S", 1)
    address = f"{scheme}://127.0.0.1:{find_free_port()}"
    with (
        pytest.raises(ClusterError, match=f"^{address}: .*start one with: dask scheduler"),
        open_cluster(address, 1),
    ):
        pass


def test_what_never_answers_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "CONNECT_S", 1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with (
            pytest.raises(ClusterError, match="no Dask scheduler answers"),
            open_cluster(address, 1),
        ):
            pass


def test_a_scheduler_without_workers_is_an_error(
    cluster: DaskCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "CONNECT_S", 3)
    with (
        pytest.raises(ClusterError, match=f"start some with: dask worker {cluster.address} --nw"),
        open_cluster(cluster.address, 1),
    ):
        pass


def test_a_worker_s_address_and_a_scheduler_without_vedette_are_errors(
    cluster: DaskCluster,
) -> None:
    cluster.start_scheduler(NOT_INSTALLED)
    cluster.start_workers(PLAIN)
    with (
        pytest.raises(ClusterError, match=r"pip install 'vedette-edge\[cluster\]'"),
        open_cluster(cluster.address, 1),
    ):
        pass
    with (
        pytest.raises(ClusterError, match="a worker of Dask, expected its scheduler"),
        open_cluster(cluster.read_address("worker-0"), 1),
    ):
        pass
