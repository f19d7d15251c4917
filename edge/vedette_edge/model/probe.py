"""Load and run a model in a process of its own, before this process does.

A runtime follows the instructions in a file, and a graph can end the process that runs it. Anybody
can write fitting checksums, so they say nothing about that. A model that passed is not probed
again: its verdict is kept, an empty file whose name is a hash of all that the verdict depends on.
"""

import hashlib
import math
import os
import platform
import re
import resource
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedette_edge.errors import ModelFileError
from vedette_edge.files import find_state_directory
from vedette_edge.model.interpreter import Runtime, Tensor, TFLiteModel, find_runtime
from vedette_edge.model.sandbox import limit, run_sandboxed

# Generous: a Pi that boots imports numpy for seconds, and a good model that is refused is a fault.
MEMORY_BYTES, PROCESSOR_S, TIMEOUT_S = 2 << 30, 60, 120
CAUSES = {  # by signal
    "SIGXCPU": f"two pictures took more than {PROCESSOR_S} s",
    "SIGKILL": "it was killed, probably since the memory was full",
}
MOST_VERDICTS = 64


def require_probed(model: bytes, threads: int, runtime: Runtime) -> None:
    """Probe a model, unless it passed before with this runtime on this kind of machine.

    Only good verdicts are kept: a failure may be the machine's, such as too little memory. Where
    none can be kept, each call probes. Raises ModelFileError.
    """
    parts = hashlib.sha256(model).hexdigest(), runtime.name, platform.machine(), str(threads)
    name = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    with suppress(OSError, RuntimeError):  # not readable; nobody's home
        if (find_verdicts() / name).is_file():
            return
    probe_model(model, threads)
    with suppress(OSError, RuntimeError):
        _keep_verdict(find_verdicts(), name)


def find_verdicts() -> Path:
    """The folder of verdicts: the service's, or else in the user's cache. Never a relative one."""
    if state := find_state_directory():
        return state / "probed"
    cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (cache if cache.is_absolute() else Path.home() / ".cache") / "vedette" / "probed"


def probe_model(model: bytes, threads: int, timeout_s: float = TIMEOUT_S) -> None:
    """Load a model in the sandbox and run it.

    Raises ModelFileError, with the runtime's message, if the runtime refuses it, dies or hangs.
    """
    try:
        failure = run_sandboxed(f"{__name__}:run_within_limits", model, str(threads), timeout_s)
    except subprocess.TimeoutExpired as error:
        raise ModelFileError(f"did not classify two pictures within {timeout_s} s") from error
    if failure is None:
        return
    if failure.refused:
        raise ModelFileError(failure.reason)
    cause = CAUSES.get(failure.reason.partition(":")[0], failure.reason)
    raise ModelFileError(
        f"the runtime crashed ({cause}). The file may be damaged: copy it again, or ask its "
        "author for another one"
    )


def run_within_limits(model: bytes, threads: str) -> None:
    """Do all that a Classifier does with the runtime, within limits of memory and time."""
    # On top of what is there: with many cores, threads of numeric libraries reserve gigabytes.
    limit(resource.RLIMIT_AS, _measure_address_space() + MEMORY_BYTES)
    limit(resource.RLIMIT_CPU, PROCESSOR_S)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(math.ceil(TIMEOUT_S))  # also if the process that waits for this one was killed
    try:
        network = TFLiteModel(model, int(threads), find_runtime())
        network.count_partitions()
        network.run(np.zeros(network.input.shape, network.input.dtype))
        network.run(_draw_grain(network.input))
    except MemoryError as error:
        raise ModelFileError(f"needs more than {MEMORY_BYTES >> 30} GiB of memory") from error


def _measure_address_space() -> int:
    """Bytes that this process has reserved; 0 where there is no /proc."""
    with suppress(OSError):
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
        return pages * resource.getpagesize()
    return 0


def _draw_grain(tensor: Tensor) -> NDArray[Any]:
    """Grain of all values of a byte: some graphs crash only with inputs that are not blank."""
    numbers = np.arange(math.prod(tensor.shape), dtype=np.uint32) * np.uint32(2654435761)
    return (numbers >> 24).astype(tensor.dtype).reshape(tensor.shape)


def _keep_verdict(folder: Path, name: str) -> None:
    """Keep a verdict, and of all verdicts the newest. Nothing can be half written."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / name).touch()
    verdicts = (path for path in folder.iterdir() if re.fullmatch("[0-9a-f]{64}", path.name))
    ages = {path: path.lstat().st_mtime for path in verdicts}
    for path in sorted(ages, key=ages.__getitem__)[:-MOST_VERDICTS]:
        path.unlink(missing_ok=True)
