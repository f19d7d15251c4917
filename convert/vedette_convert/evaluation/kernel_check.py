"""Whether TFLite's kernels survive a graph: tried in a process of its own.

They check much with abort(), which no error can be made of: where a layer's values hardly change
whatever the picture, integers have no range, and some kernels end the process over it.
"""

import signal
import subprocess
import sys
from contextlib import suppress

import numpy as np

from vedette_convert.errors import ConversionError
from vedette_edge.errors import ModelFileError, VedetteError
from vedette_edge.model.interpreter import KERNELS, LONGEST_REASON, TFLiteModel, find_runtime

REFUSED = 3  # exit code: there is a message on standard output


def check_kernels(graph: bytes, quantization: str) -> None:
    """Raises ConversionError if the runtime refuses it, or dies of it with any of its kernels."""
    command = [
        sys.executable,
        "-P",
        "-c",
        "from vedette_convert.evaluation import kernel_check as k; k.main()",
    ]
    done = subprocess.run(command, input=graph, capture_output=True, check=False)
    if done.returncode:
        raise ConversionError(
            f"{quantization}: TensorFlow Lite {_ending(done)}. Somewhere in the model values "
            "hardly change, whatever the picture, or have no bounds, so that integers have no "
            "range: look for layers that have learned nothing, cancel each other out or grow "
            "without end, or say --quantization float32, which has no integers"
        )


def with_other_kernels(graph: bytes) -> list[TFLiteModel]:
    """The graph with each of KERNELS that has all its operators; the reference ones have no ELU."""
    found = []
    for kernels in KERNELS:
        with suppress(ModelFileError):
            found.append(TFLiteModel(graph, 1, find_runtime().with_kernels(kernels)))
    return found


def _ending(done: subprocess.CompletedProcess[bytes]) -> str:
    if done.returncode == REFUSED:
        said = done.stdout.decode(errors="replace").strip().splitlines() or [""]
        return f"does not accept the graph ({said[0][:LONGEST_REASON]})"
    code = -done.returncode
    cause = signal.Signals(code).name if code in list(signal.Signals) else f"code {-code}"
    return f"dies of the graph ({cause})"


def main() -> None:
    """In the other process: run the graph on standard input once with each kind of kernels."""
    graph = sys.stdin.buffer.read()
    try:
        for network in (TFLiteModel(graph, 1, find_runtime()), *with_other_kernels(graph)):
            network.run(np.zeros(network.input.shape, network.input.dtype))
    except (VedetteError, ValueError, RuntimeError) as error:
        print(error.__cause__ or error)  # noqa: T201  for the process that asked
        sys.exit(REFUSED)
