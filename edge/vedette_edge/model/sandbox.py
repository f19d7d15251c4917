"""A process of its own for a function that may crash, such as a runtime's with a strange model."""

import os
import pkgutil
import resource
import signal
import subprocess
import sys
from dataclasses import dataclass

from vedette_edge.errors import RuntimeMissingError, VedetteError

# The first word of the child's answer. An exit code proves nothing: it is lost, and reads as 0,
# where a program ignores SIGCHLD.
RETURNED, REFUSED = b"returned", b"refused"  # the second precedes an error's message
LONGEST_ANSWER = 4000  # bytes, which a pipe takes at once
LONGEST_MESSAGE = 300  # characters; runtimes may repeat themselves for each tensor


@dataclass(frozen=True, slots=True)
class Failure:
    """The end of a sandboxed function that did not return."""

    refused: bool  # it raised an error; otherwise its process died
    reason: str  # the error's message, or the signal and the last line on standard error


def run_sandboxed(
    function: str, model: bytes, argument: str = "", timeout_s: float | None = None
) -> Failure | None:
    """Call a function, named `module:function`, with (model, argument) in a process of its own.

    None if it returned. Raises subprocess.TimeoutExpired, and RuntimeMissingError in a program
    that hides its Python.
    """
    if not sys.executable:
        raise RuntimeMissingError(
            "cannot try the model in a process of its own, because sys.executable is empty. "
            "Set it to the path of a Python interpreter"
        )
    # -P keeps modules in the current folder from being imported, whatever their names.
    path = [
        folder for folder in sys.path if folder and isinstance(folder, str)
    ]  # a program may have extended it
    code = f"import sys; sys.path[:] = {path}; from {__name__} import main; main()"
    command = [sys.executable, "-P", "-c", code, function, argument]
    done = subprocess.run(command, input=model, capture_output=True, timeout=timeout_s, check=False)
    word, _, message = done.stdout.partition(b"\n")
    if word == REFUSED:
        return Failure(True, shorten(message))
    if word == RETURNED and not done.returncode:
        return None
    return Failure(False, describe_death(done.returncode, done.stderr))


def main() -> None:
    """Call the function in the arguments with the model on standard input, in the new process."""
    limit(resource.RLIMIT_CORE, 0)
    answer = os.dup(1)
    os.dup2(2, 1)  # libraries may print
    _, function, argument = sys.argv
    try:
        pkgutil.resolve_name(function)(sys.stdin.buffer.read(), argument)
        os.write(answer, RETURNED)
    except (VedetteError, ValueError, RuntimeError) as error:
        os.write(answer, REFUSED + b"\n" + str(error).encode(errors="replace")[:LONGEST_ANSWER])


def limit(resource_number: int, most: int) -> None:
    """Limit one of this process' resources, RLIMIT_..., where it is not limited to less."""
    hard = resource.getrlimit(resource_number)[1]
    within = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(resource_number, (within, hard))


def describe_death(code: int, stderr: bytes) -> str:
    """Name the signal or the exit code, and quote the last line on standard error."""
    cause = signal.Signals(-code).name if -code in list(signal.Signals) else f"code {code}"
    if b"OpenBLAS blas_thread_init" in stderr:  # which then sends SIGINT to its own process
        return f"{cause}: no further thread can be started, see ulimit -u"
    lines = stderr.splitlines()
    words = [shorten(line) for line in lines if line.strip() and not line.startswith(b"INFO")]
    return ": ".join([cause, *words[-1:]])


def shorten(message: bytes) -> str:
    """Make one printable line of a message, of LONGEST_MESSAGE characters at most."""
    text = "".join(one if one.isprintable() else " " for one in message.decode(errors="replace"))
    text = " ".join(text.split())
    return text if len(text) <= LONGEST_MESSAGE else text[:LONGEST_MESSAGE] + " ..."
