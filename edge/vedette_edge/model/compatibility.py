"""Detect, without running it, a graph that an old runtime cannot run: it might crash."""

from vedette_edge.errors import ModelFileError
from vedette_edge.model.graph import Graph, read_operator_table

OLD = "tflite-runtime 2.14"  # its last release
MOST_SHOWN = 8  # objections in an error's message
ARM = ("aarch64", "arm64", "armv6l", "armv7l", "armv8l")  # values of platform.machine()


def check_compatible(graph: Graph, runtime: str, machine: str) -> None:
    """Raise ModelFileError if a runtime, e.g. "tflite-runtime 2.14.0", cannot run the graph.

    `machine` is platform.machine() of the computer that runs it.
    """
    if not runtime.startswith("tflite-runtime "):
        return
    if objections := find_objections(graph, arm=machine in ARM):
        raise ModelFileError(
            f"{runtime} cannot run this model, which has {'; '.join(objections[:MOST_SHOWN])}. "
            "Install ai-edge-litert, or convert again with --runtime tflite-2.14"
        )


def find_objections(graph: Graph, *, arm: bool) -> list[str]:
    """List the parts of a graph that tflite-runtime 2.14 cannot run.

    On Arm it crashes (FullyConnectedPerChannelInt8 reads exponents that do not exist) if the
    int8 weights of a Dense layer have a scale for each output.
    """
    newest = {row["name"]: int(row["tflite_2_14"]) for row in read_operator_table().values()}
    objections = []
    for kind in graph.operators:
        known = 0 if kind.custom else newest.get(kind.name, 0)
        if kind.version > known:
            supported = f"only up to version {known}" if known else "not at all"
            objections.append(f"{kind.name} version {kind.version}, supported {supported}")
    if arm and graph.per_channel_dense:
        layers = ", ".join(graph.per_channel_dense)
        objections.append(f"Dense layers quantized per channel ({layers}), a crash on Arm")
    return objections
