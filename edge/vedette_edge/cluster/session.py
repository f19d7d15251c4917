"""A connection to a Dask cluster, and results of its tasks in their order.

The only module that starts or reaches one, with the extra `vedette-edge[cluster]`; without it,
importing this raises SettingError.
"""

import logging
import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import TypeVar

from vedette_edge.errors import ClusterError, SettingError

try:
    from distributed import Client, Future, LocalCluster
    from distributed.client import FutureCancelledError
    from distributed.scheduler import KilledWorker
except ImportError as error:
    raise SettingError(
        "a cluster needs the packages dask and distributed: pip install 'vedette-edge[cluster]'"
    ) from error

_ADDRESS = re.compile(r"(tcp|tls|ws|wss)://[^/]+:[0-9]+")
LOCAL = "local"  # the address of a cluster that is started on this machine
CONNECT_S = 20
AHEAD = 4  # tasks a thread, whose results wait for those of earlier ones
RETRIES = 3  # of a task that raises an error
LOST = "the connection to the scheduler is lost"
LOOK_S, MOST_IDLE_S = 5, 60  # between looks for workers, and without any

Item = TypeVar("Item")
Result = TypeVar("Result")
Resources = Mapping[str, float]  # of a worker, for each task


@contextmanager
def open_cluster(address: str, workers: int) -> Iterator[Client]:
    """Connect to the scheduler at an address, or start a cluster here: LOCAL.

    The latter has so many workers, each a process of one thread. Raises SettingError if it is no
    address, and ClusterError if there is no scheduler, or no worker.
    """
    if address != LOCAL and not _ADDRESS.fullmatch(address):
        raise SettingError(f"cluster {address!r}: expected tcp://host:8786 or the like, or {LOCAL}")
    with _start_cluster(workers) if address == LOCAL else nullcontext(address) as scheduler:
        try:
            client = Client(scheduler, timeout=CONNECT_S, set_as_default=False)
        except OSError as error:
            raise ClusterError(
                f"{address}: no Dask scheduler answers; start one with: dask scheduler ({error})"
            ) from error
        with client:
            try:
                client.wait_for_workers(1, timeout=CONNECT_S)
            except TimeoutError as error:
                start = f"start one with: dask worker {address}"
                raise ClusterError(f"{address}: the scheduler has no workers; {start}") from error
            yield client


@contextmanager
def _start_cluster(workers: int) -> Iterator[LocalCluster]:
    with LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        dashboard_address=None,
        silence_logs=logging.CRITICAL,
    ) as cluster:
        yield cluster


def map_in_order(
    client: Client,
    function: Callable[[Item], Result],
    items: Iterable[Item],
    resources: Resources | None = None,
) -> Iterator[Result]:
    """Call a function for each item on the workers that have the resources; yield the results.

    What a lost worker was at is done again by another one. Raises ClusterError if there are no
    workers for long, or if the work of an item ends worker after worker; and the function's error.
    """
    waiting = deque[Future[Result]]()
    try:
        for item in items:
            waiting.append(
                client.submit(function, item, pure=False, retries=RETRIES, resources=resources)
            )
            if len(waiting) > AHEAD * count_threads(client):
                yield _wait(client, waiting.popleft(), resources or {})
        while waiting:
            yield _wait(client, waiting.popleft(), resources or {})
    finally:
        client.cancel(list(waiting))


def count_threads(client: Client) -> int:
    """Count the threads of all workers: the tasks that are worked on at once."""
    try:
        return sum(client.nthreads().values())
    except OSError as error:
        raise ClusterError(LOST) from error


def _wait(client: Client, future: "Future[Result]", resources: Resources) -> Result:
    """Wait for a result."""
    seen_s = time.monotonic()
    while True:
        try:
            result: Result = future.result(timeout=LOOK_S)
            return result
        except TimeoutError:
            if _has_workers(client, resources):
                seen_s = time.monotonic()
            if time.monotonic() - seen_s > MOST_IDLE_S:
                raise ClusterError(
                    f"for {MOST_IDLE_S} s, the cluster had no worker that takes part"
                ) from None
        except KilledWorker as error:
            raise ClusterError(
                f"{error.allowed_failures + 1} workers ended at the same task, perhaps for lack of "
                f"memory; the last is {error.last_worker.address}, whose log says more"
            ) from error
        except FutureCancelledError as error:
            raise ClusterError(LOST) from error


def _has_workers(client: Client, resources: Resources) -> bool:
    workers = client.scheduler_info()["workers"].values()
    return any(
        all(worker["resources"].get(name, 0) >= amount for name, amount in resources.items())
        for worker in workers
    )
