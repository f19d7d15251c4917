"""What an old runtime cannot run, read from the file: trying it could end in a crash."""

from vedette_edge.errors import ModelFileError
from vedette_edge.model.graph import Graph, operator_table

OLD = "tflite-runtime 2.14"  # the last there is
ARM = ("aarch64", "arm64", "armv6l", "armv7l", "armv8l")  # as platform.machine() says


def check_compatible(graph: Graph, runtime: str, machine: str) -> None:
    """Raises ModelFileError if this runtime, e.g. "tflite-runtime 2.14.0", cannot run the graph.

    `machine` is what platform.machine() says.
    """
    if not runtime.startswith("tflite-runtime "):
        return
    if found := find_objections(graph, arm=machine in ARM):
        raise ModelFileError(
            f"{runtime} cannot run this model, which has {'; '.join(found)}. "
            "Install ai-edge-litert, or convert again with --runtime tflite-2.14"
        )


def find_objections(graph: Graph, *, arm: bool) -> list[str]:
    """What in a graph tflite-runtime 2.14 cannot run.

    On Arm it crashes (FullyConnectedPerChannelInt8 reads exponents that are not there) where
    the int8 weights of a Dense layer have a scale for each output.
    """
    newest = {row["name"]: int(row["tflite_2_14"]) for row in operator_table().values()}
    found = []
    for kind in graph.operators:
        known = 0 if kind.custom else newest.get(kind.name, 0)
        if kind.version > known:
            has = f"only up to version {known}" if known else "not at all"
            found.append(f"{kind.name} version {kind.version}, which it has {has}")
    if arm and graph.per_channel_dense:
        layers = ", ".join(graph.per_channel_dense)
        found.append(f"Dense layers quantized per channel, of which it dies on Arm ({layers})")
    return found
