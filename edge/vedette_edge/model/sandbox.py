"""Whether the runtime survives a foreign graph: tried in a process of its own.

Runtimes follow what a file says, and one that is damaged or malicious can end in a crash. Vedette's
own files carry a checksum; anybody else's are loaded and run once where a crash does no harm.
"""

import resource
import signal
import subprocess
import sys

import numpy as np

from vedette_edge.errors import ModelFileError, VedetteError
from vedette_edge.model import interpreter
from vedette_edge.model.interpreter import TFLiteModel

MEMORY_BYTES, PROCESSOR_S, PATIENCE_S = 2 << 30, 20, 30
REFUSED = 3  # exit code: there is a message on standard output
LONGEST_MESSAGE = 300  # characters; runtimes may say the same of each tensor


def probe_model(model: bytes, threads: int) -> None:
    """Raises ModelFileError, with the runtime's words, if it refuses the graph or dies of it."""
    # -P: what lies in the current folder is not imported, whatever its name.
    command = [sys.executable, "-P", "-c", "from vedette_edge.model import sandbox; sandbox.main()"]
    try:
        done = subprocess.run(
            [*command, str(threads)],
            input=model,
            capture_output=True,
            timeout=PATIENCE_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ModelFileError(
            f"did not classify one picture within {PATIENCE_S} s, and was given up"
        ) from error
    if done.returncode == REFUSED:
        raise ModelFileError(_shortened(done.stdout))
    if done.returncode:
        raise ModelFileError(
            f"the runtime died of it ({_death(done.returncode, done.stderr)}). The file may be "
            "damaged: copy it again, or ask who made it"
        )


def _death(code: int, stderr: bytes) -> str:
    """How the process ended, and its last words."""
    if code == -signal.SIGXCPU:
        return f"one picture took more than {PROCESSOR_S} s"
    cause = signal.Signals(-code).name if -code in list(signal.Signals) else f"code {code}"
    lines = [line for line in stderr.splitlines() if line.strip() and not line.startswith(b"INFO")]
    return f"{cause}: {_shortened(lines[-1])}" if lines else cause


def _shortened(words: bytes) -> str:
    text = "".join(one if one.isprintable() else " " for one in words.decode(errors="replace"))
    text = " ".join(text.split())
    return text if len(text) <= LONGEST_MESSAGE else text[:LONGEST_MESSAGE] + " ..."


def main() -> None:
    """In the other process: load the model on standard input, and run it once on zeros."""
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_AS, MEMORY_BYTES)
    _limit(resource.RLIMIT_CPU, PROCESSOR_S)
    try:
        network = TFLiteModel(sys.stdin.buffer.read(), int(sys.argv[1]), interpreter.find_runtime())
        network.run(np.zeros(network.input.shape, network.input.dtype))
    except (VedetteError, ValueError, RuntimeError) as error:
        print(error)  # noqa: T201  for the process that asked
        sys.exit(REFUSED)
    except MemoryError:
        print(f"needs more than {MEMORY_BYTES >> 30} GiB of memory")  # noqa: T201
        sys.exit(REFUSED)


def _limit(resource_number: int, most: int) -> None:
    hard = resource.getrlimit(resource_number)[1]
    within = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(resource_number, (within, hard))
