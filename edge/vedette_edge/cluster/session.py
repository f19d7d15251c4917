"""A connection to a Dask cluster, with the extra `vedette-edge[cluster]`.

Without it, importing this raises SettingError.
"""

import asyncio
import logging
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib import import_module
from importlib.metadata import version

from vedette_edge.cluster import LOCAL
from vedette_edge.errors import ClusterError, SettingError

try:
    from distributed import Client, LocalCluster, rpc
except ImportError as error:
    raise SettingError(
        "a cluster needs the packages dask and distributed: pip install 'vedette-edge[cluster]'"
    ) from error

CONNECT_S = 20
EDGE = "vedette-edge"
WORKER_FLAGS = "--nworkers -1 --nthreads 1"  # a process of one thread for each core

_ADDRESS = re.compile(r"(tcp|tls)://[^/\s]+:[0-9]{1,5}")


@contextmanager
def open_cluster(address: str, workers: int, package: str = EDGE) -> Iterator[Client]:
    """Connect to the scheduler at an address, or start a cluster here: LOCAL.

    The latter has so many workers, each a process of one thread. Raises SettingError if it is no
    address, and ClusterError if there is no scheduler, no worker, or no package on the scheduler.
    """
    with _start_cluster(workers) if address == LOCAL else nullcontext(address) as scheduler:
        if address != LOCAL:
            _require_scheduler(address)
        with Client(scheduler, timeout=CONNECT_S, set_as_default=False) as client:
            try:
                client.wait_for_workers(1, timeout=CONNECT_S)
            except TimeoutError as error:
                start = f"start some with: dask worker {address} {WORKER_FLAGS}"
                raise ClusterError(f"{address}: the scheduler has no workers; {start}") from error
            _require_package(client, package)
            yield client


@contextmanager
def _start_cluster(workers: int) -> Iterator[LocalCluster]:
    """Start a cluster, whose processes Ctrl-C does not reach: this one ends them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])  # which they inherit
    try:
        with LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            dashboard_address="127.0.0.1:0",  # its web server has any port, and no dashboard
            scheduler_kwargs={"dashboard": False},
            silence_logs=logging.CRITICAL,
        ) as cluster:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            yield cluster
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _require_scheduler(address: str) -> None:
    """Ask what is at an address who it is; a Client would wait long for anything else."""
    if not _ADDRESS.fullmatch(address):
        raise SettingError(f"cluster {address!r}: expected tcp://host:8786 or the like, or {LOCAL}")

    async def identify() -> str:
        async with rpc(address) as server:
            return str((await server.identity()).get("type"))

    try:
        kind = asyncio.run(asyncio.wait_for(identify(), CONNECT_S))
    except Exception as error:  # of the network, of TLS, or of another protocol
        reason = str(error) or f"nothing within {CONNECT_S} s"
        raise ClusterError(
            f"{address}: no Dask scheduler answers; start one with: dask scheduler ({reason})"
        ) from error
    if kind != "Scheduler":
        raise ClusterError(f"{address}: a {kind.lower()} of Dask, expected its scheduler")


def _require_package(client: Client, package: str) -> None:
    """Raise ClusterError unless the scheduler can load what the workers are to do."""
    try:
        client.run_on_scheduler(find_version, package)
    except Exception as error:  # whatever it raises there
        raise ClusterError(
            f"the scheduler cannot load {package} ({error}); there, too: "
            f"pip install '{package}[cluster]'"
        ) from error


def find_version(package: str = EDGE) -> str:
    """Find the version of a package that can be imported."""
    import_module(package.replace("-", "_"))
    return version(package)
