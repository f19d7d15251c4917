"""Try a graph in a separate process, where a crash of the runtime does no harm.

A damaged or malicious file can crash a runtime. Vedette's own files carry checksums; files of
others are loaded and run once here first.
"""

import resource
import signal
import subprocess
import sys

import numpy as np

from vedette_edge.errors import ModelFileError, VedetteError
from vedette_edge.model import interpreter
from vedette_edge.model.interpreter import TFLiteModel

MEMORY_BYTES, PROCESSOR_S, TIMEOUT_S = 2 << 30, 20, 30
REFUSED = 3  # exit code: a message is on standard output
LONGEST_MESSAGE = 300  # characters; runtimes may repeat a message for each tensor


def probe_model(model: bytes, threads: int, timeout_s: float = TIMEOUT_S) -> None:
    """Raise ModelFileError, with the runtime's message, if it refuses the graph or crashes."""
    # -P: import nothing from the current folder.
    command = [sys.executable, "-P", "-c", "from vedette_edge.model import sandbox; sandbox.main()"]
    try:
        done = subprocess.run(
            [*command, str(threads)],
            input=model,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ModelFileError(f"did not classify one picture within {timeout_s} s") from error
    if done.returncode == REFUSED:
        raise ModelFileError(_shorten(done.stdout))
    if done.returncode:
        raise ModelFileError(
            f"the runtime crashed ({_describe_end(done.returncode, done.stderr)}). The file may be "
            "damaged: copy it again, or ask its author"
        )


def _describe_end(code: int, stderr: bytes) -> str:
    """The process's signal or exit code, and its last message."""
    if code == -signal.SIGXCPU:
        return f"one picture took more than {PROCESSOR_S} s"
    cause = signal.Signals(-code).name if -code in list(signal.Signals) else f"code {code}"
    lines = [line for line in stderr.splitlines() if line.strip() and not line.startswith(b"INFO")]
    return f"{cause}: {_shorten(lines[-1])}" if lines else cause


def _shorten(message: bytes) -> str:
    text = "".join(one if one.isprintable() else " " for one in message.decode(errors="replace"))
    text = " ".join(text.split())
    return text if len(text) <= LONGEST_MESSAGE else text[:LONGEST_MESSAGE] + " ..."


def main() -> None:
    """In the separate process: load the model on standard input, and run it once on zeros."""
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_AS, MEMORY_BYTES)
    _limit(resource.RLIMIT_CPU, PROCESSOR_S)
    try:
        network = TFLiteModel(sys.stdin.buffer.read(), int(sys.argv[1]), interpreter.find_runtime())
        network.run(np.zeros(network.input.shape, network.input.dtype))
    except (VedetteError, ValueError, RuntimeError) as error:
        print(error)  # noqa: T201  for the parent process
        sys.exit(REFUSED)
    except MemoryError:
        print(f"needs more than {MEMORY_BYTES >> 30} GiB of memory")  # noqa: T201
        sys.exit(REFUSED)


def _limit(resource_number: int, most: int) -> None:
    hard = resource.getrlimit(resource_number)[1]
    limit = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(resource_number, (limit, hard))
