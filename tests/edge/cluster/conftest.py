"""A team of workers of a real Dask cluster, and the functions that they call."""

import os
import time
from collections.abc import Iterator

import pytest
from distributed import Client
from tests.edge.dask_cluster import PLAIN, DaskCluster

from vedette_edge.cluster import team
from vedette_edge.cluster.session import open_cluster
from vedette_edge.cluster.team import Team


def get_ready() -> int:
    return 2


def wait_and_square(power: int, number: int) -> int:
    time.sleep(0.2 if number % 5 == 0 else 0)
    return int(number**power)


def end_process(*_: int) -> int:
    os._exit(1)


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
