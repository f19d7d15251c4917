"""The workers of a run's cluster."""

import io
import os
from pathlib import Path

from rich.console import Console
from tests.edge.dask_cluster import PLAIN, DaskCluster, cluster  # noqa: F401  a fixture

from vedette_edge.cluster.session import open_cluster
from vedette_edge.console import Output
from vedette_edge.errors import SettingError
from vedette_train.data.workplace import Workplace

REFUSING = "import os; os.environ['REFUSAL'] = 'late\\x1b'"


def get_ready() -> int:
    if refusal := os.environ.get("REFUSAL"):
        raise SettingError(refusal)
    return 2


def multiply(state: int, number: int) -> int:
    return state * number


def test_each_refusal_is_printed_once(
    cluster: DaskCluster,  # noqa: F811
    tmp_path: Path,
) -> None:
    cluster.start_workers(PLAIN, REFUSING)
    stream = io.StringIO()
    console = Console(file=stream, width=200)
    with open_cluster(cluster.address, 0) as client:
        place = Workplace(Output(console, console), tmp_path, client)
        for _ in range(2):
            team = place.gather_team(get_ready)
            assert list(team.map_in_order(multiply, range(3))) == [0, 2, 4]
    refusing = cluster.read_address("worker-1")
    assert stream.getvalue() == f"left out {refusing}: late\\x1b\n"
