"""A real Dask cluster: a scheduler and workers, each a process that a test may kill."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from tests.edge.mosquitto import find_free_port, wait_until

# Texts of modules that a worker loads first: nothing, or what makes it see otherwise.
PLAIN = ""
SWAPPED_CHANNELS = """
from vedette_edge.images.preprocessing import preprocess
from vedette_edge.model import self_test
self_test.preprocess = lambda image, contract: preprocess(image, contract)[..., ::-1]
"""
NO_PICTURES = """
from vedette_edge.prediction import cluster
def read_source(name):
    raise FileNotFoundError(2, "No such file or directory", name)
cluster.read_source = read_source
"""
NO_CREDENTIALS = """
from vedette_edge.errors import RemoteError
from vedette_edge.prediction import cluster
def read_source(name):
    raise RemoteError(f"{name}: Unable to locate credentials")
cluster.read_source = read_source
"""
NOT_INSTALLED = """
import sys
for name in ("cluster.session", "prediction.cluster"):
    sys.modules[f"vedette_edge.{name}"] = None
"""
OTHER_DECODERS = """
from vedette_edge.prediction import cluster
cluster.list_optional_formats = lambda: ("GIF", "JPEG XL")
"""
OTHER_VERSION = """
from vedette_edge.prediction import cluster
cluster.find_version = lambda: "0.0.9"
"""


class DaskCluster:
    """A scheduler at `address`, and its workers, which log to files in a folder."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self.workers: list[subprocess.Popen[bytes]] = []
        self.start_scheduler()

    def start_scheduler(self, preload: str = PLAIN) -> None:
        """Start the scheduler at `address`, which first loads the text of a module."""
        port, module = find_free_port(), self._folder / "scheduler.py"
        module.write_text(preload)
        self.address = f"tcp://127.0.0.1:{port}"
        flags = ["--host", "127.0.0.1", "--port", str(port), "--preload", str(module)]
        self.scheduler = self._start("scheduler", *flags)
        wait_until(lambda: "Scheduler at" in self.read_log("scheduler"))

    def start_workers(self, *preloads: str, port: int = 0) -> None:
        """Start workers of one thread, each of which first loads the text of a module.

        A port is for one worker; 0: any.
        """
        names = [f"worker-{number}" for number, _ in enumerate(preloads, len(self.workers))]
        for name, preload in zip(names, preloads, strict=True):
            module = self._folder / f"{name}.py"
            module.write_text(preload)
            flags = ["--nthreads", "1", "--no-nanny", "--preload", str(module)]
            flags += ["--worker-port", str(port)]
            self.workers.append(self._start("worker", self.address, *flags, log=name))
        wait_until(lambda: all("Registered to" in self.read_log(name) for name in names))

    def read_address(self, name: str) -> str:
        """Read the address of a worker in its log."""
        match = re.search(r"Start worker at: +(\S+)", self.read_log(name))
        assert match
        return match[1]

    def read_log(self, name: str) -> str:
        return (self._folder / f"{name}.log").read_text()

    def _start(self, role: str, *flags: str, log: str = "") -> subprocess.Popen[bytes]:
        with (self._folder / f"{log or role}.log").open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "distributed.cli.dask_" + role, "--no-dashboard", *flags],
                stdout=file,
                stderr=file,
                env=os.environ | {"DASK_TEMPORARY_DIRECTORY": str(self._folder)},
            )
        self._stack.callback(_end, process)
        return process


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a process, gently where that works, so that its coverage counts."""
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:  # such as a worker whose scheduler was killed
        process.kill()
        process.wait()


@contextmanager
def start_cluster(folder: Path) -> Iterator[DaskCluster]:
    """Start a scheduler without workers; end all that was started at the end."""
    with ExitStack() as stack:
        yield DaskCluster(folder, stack)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[DaskCluster]:
    folder = tmp_path / "cluster"
    folder.mkdir()
    with start_cluster(folder) as cluster:
        yield cluster
