"""The same graph on TFLite's other kernels, which round in other places."""

from functools import partial

from ai_edge_litert.interpreter import Interpreter, OpResolverType

from vedette_edge.interpreter import Network, Runtime

# Without the delegate scores are to the step those of tflite-runtime 2.14 on x86; the reference
# kernels are what TFLite's own tests measure all others by.
_OTHERS = (OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES, OpResolverType.BUILTIN_REF)


def other_kernels(model: bytes) -> list[Network]:
    """Networks of a model file that do without the delegate, the fastest first."""
    return [
        Network(model, 1, Runtime(partial(Interpreter, experimental_op_resolver_type=kind), ""))
        for kind in _OTHERS
    ]
