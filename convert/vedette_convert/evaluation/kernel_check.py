"""A trial run of a graph with every kind of TFLite's kernels, in a process of its own.

Kernels check much with abort(), which ends the process: where a layer's values hardly change
whatever the picture, integers have no range, and some kernels abort.
"""

from contextlib import suppress

import numpy as np

from vedette_convert.errors import ConversionError
from vedette_edge.errors import ModelFileError
from vedette_edge.model.interpreter import KERNELS, TFLiteModel, find_runtime
from vedette_edge.model.sandbox import run_sandboxed


def check_kernels(graph: bytes, quantization: str) -> None:
    """Raise ConversionError if the runtime refuses a graph, or dies with any of its kernels."""
    failure = run_sandboxed(f"{__name__}:run_all_kernels", graph)
    if failure is None:
        return
    ending = "does not accept" if failure.refused else "dies of"
    raise ConversionError(
        f"{quantization}: TensorFlow Lite {ending} the graph ({failure.reason}). Somewhere in the "
        "model, values hardly change whatever the picture, or have no bounds, so that integers "
        "have no range. Look for layers that have learned nothing, cancel each other out or grow "
        "without end, or use --quantization float32, which has no integers"
    )


def run_all_kernels(graph: bytes, _: str = "") -> None:
    """Run a graph once on zeros with each kind of kernels. Raises ModelFileError."""
    try:
        default = TFLiteModel(graph, 1, find_runtime())
    except ModelFileError as error:
        raise ModelFileError(str(error.__cause__ or error)) from error  # the runtime's own words
    for network in (default, *load_with_other_kernels(graph)):
        network.run(np.zeros(network.input.shape, network.input.dtype))


def load_with_other_kernels(graph: bytes) -> list[TFLiteModel]:
    """Load a graph with each of KERNELS that has all its operators; the reference has no ELU."""
    networks = []
    for kernels in KERNELS:
        with suppress(ModelFileError):
            networks.append(TFLiteModel(graph, 1, find_runtime().with_kernels(kernels)))
    return networks
