"""A process of its own for a model file that may crash the runtime.

Runtimes follow the instructions in a file, and a damaged or malicious one can end the process.
Vedette's own files carry a checksum; all others are loaded and run once in a sandbox first.
"""

import pkgutil
import resource
import signal
import subprocess
import sys
from dataclasses import dataclass

import numpy as np

from vedette_edge.errors import ModelFileError, VedetteError
from vedette_edge.model.interpreter import TFLiteModel, find_runtime

MEMORY_BYTES, PROCESSOR_S, TIMEOUT_S = 2 << 30, 20, 30
REFUSED = 3  # exit code: the message of an error is on standard output
LONGEST_MESSAGE = 300  # characters; runtimes may repeat themselves for each tensor


@dataclass(frozen=True, slots=True)
class Failure:
    """The end of a sandboxed function that did not return."""

    refused: bool  # it raised an error; otherwise its process died
    reason: str  # the error's message, or the signal and the last line on standard error


def probe_model(model: bytes, threads: int, timeout_s: float = TIMEOUT_S) -> None:
    """Load a model in the sandbox and run it once.

    Raises ModelFileError, with the runtime's message, if the runtime refuses it, dies or hangs.
    """
    try:
        failure = run_sandboxed(f"{__name__}:run_within_limits", model, str(threads), timeout_s)
    except subprocess.TimeoutExpired as error:
        raise ModelFileError(f"did not classify one picture within {timeout_s} s") from error
    if failure is None:
        return
    if failure.refused:
        raise ModelFileError(failure.reason)
    reason = failure.reason
    if reason.startswith(signal.SIGXCPU.name):
        reason = f"one picture took more than {PROCESSOR_S} s"
    raise ModelFileError(
        f"the runtime crashed ({reason}). The file may be damaged: copy it again, or ask its "
        "author for another one"
    )


def run_sandboxed(
    function: str, model: bytes, argument: str = "", timeout_s: float | None = None
) -> Failure | None:
    """Call a function, named `module:function`, with (model, argument) in a process of its own.

    None if it returned. Raises subprocess.TimeoutExpired.
    """
    # -P keeps modules in the current folder from being imported, whatever their names.
    code = f"from {__name__} import main; main()"
    command = [sys.executable, "-P", "-c", code, function, argument]
    done = subprocess.run(command, input=model, capture_output=True, timeout=timeout_s, check=False)
    if done.returncode == REFUSED:
        return Failure(True, shorten(done.stdout))
    return Failure(False, describe_death(done.returncode, done.stderr)) if done.returncode else None


def main() -> None:
    """Call the function in the arguments with the model on standard input, in the new process."""
    limit(resource.RLIMIT_CORE, 0)
    _, function, argument = sys.argv
    try:
        pkgutil.resolve_name(function)(sys.stdin.buffer.read(), argument)
    except (VedetteError, ValueError, RuntimeError) as error:
        print(error)  # noqa: T201  for the process that started this one
        sys.exit(REFUSED)


def run_within_limits(model: bytes, threads: str) -> None:
    """Run a model once on zeros, with limits on memory and processor time."""
    limit(resource.RLIMIT_AS, MEMORY_BYTES)
    limit(resource.RLIMIT_CPU, PROCESSOR_S)
    try:
        network = TFLiteModel(model, int(threads), find_runtime())
        network.run(np.zeros(network.input.shape, network.input.dtype))
    except MemoryError as error:
        raise ModelFileError(f"needs more than {MEMORY_BYTES >> 30} GiB of memory") from error


def limit(resource_number: int, most: int) -> None:
    """Limit one of this process' resources, RLIMIT_..., where it is not limited to less."""
    hard = resource.getrlimit(resource_number)[1]
    within = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(resource_number, (within, hard))


def describe_death(code: int, stderr: bytes) -> str:
    """Name the signal or the exit code, and quote the last line on standard error."""
    cause = signal.Signals(-code).name if -code in list(signal.Signals) else f"code {code}"
    lines = stderr.splitlines()
    words = [shorten(line) for line in lines if line.strip() and not line.startswith(b"INFO")]
    return ": ".join([cause, *words[-1:]])


def shorten(message: bytes) -> str:
    """Make one printable line of a message, of LONGEST_MESSAGE characters at most."""
    text = "".join(one if one.isprintable() else " " for one in message.decode(errors="replace"))
    text = " ".join(text.split())
    return text if len(text) <= LONGEST_MESSAGE else text[:LONGEST_MESSAGE] + " ..."
