"""The one place that knows LiteRT from tflite-runtime."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module, metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedette_edge.errors import ModelFileError, RuntimeMissingError

# module -> distribution, in the order of preference
RUNTIMES = {
    "ai_edge_litert.interpreter": "ai-edge-litert",
    "tflite_runtime.interpreter": "tflite-runtime",
}

LONGEST_REASON = 160  # characters

# Without the delegate scores are to the step those of tflite-runtime 2.14 on x86; the reference
# kernels are those that TFLite's own tests measure the others by. Slower, the last by far.
KERNELS = PLAIN, REFERENCE = "BUILTIN_WITHOUT_DEFAULT_DELEGATES", "BUILTIN_REF"


@dataclass(frozen=True, slots=True)
class Tensor:
    """One input or output of a graph. A quantized value q stands for (q - zero_point) * scale."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float  # 0 where the tensor is not quantized
    zero_point: int

    def values(self, content: NDArray[Any]) -> NDArray[np.float32]:
        """What the numbers in the tensor stand for."""
        if not self.scale:
            return content.astype(np.float32, copy=False)
        return (content.astype(np.float32) - self.zero_point) * np.float32(self.scale)


@dataclass(frozen=True, slots=True)
class Runtime:
    """A TFLite interpreter that is installed."""

    interpreter_class: Any
    name: str  # distribution and version

    def with_kernels(self, kernels: str) -> "Runtime":
        """The same with others of TFLite's kernels, one of KERNELS; it must be LiteRT."""
        resolvers = import_module(self.interpreter_class.__module__).OpResolverType
        chosen = partial(
            self.interpreter_class, experimental_op_resolver_type=getattr(resolvers, kernels)
        )
        return Runtime(chosen, self.name)


class TFLiteModel:
    """A graph, ready to run, with one input and one output."""

    def __init__(self, model: bytes, threads: int, runtime: Runtime) -> None:
        """Raises ModelFileError if the runtime does not accept the graph."""
        self.runtime = runtime.name
        try:
            self._interpreter = runtime.interpreter_class(model_content=model, num_threads=threads)
            self._interpreter.allocate_tensors()
        except (ImportError, SystemError) as error:  # which of them depends on numpy's version
            raise RuntimeMissingError(
                f"{self.runtime} does not fit numpy {np.__version__} ({error.__cause__ or error}). "
                "tflite-runtime wants: pip install 'numpy<2' 'opencv-python-headless<4.12'"
            ) from error
        except (ValueError, RuntimeError) as error:
            raise ModelFileError(
                f"{self.runtime} does not accept the model: {_reason(error)}. "
                "Copy the file again; if that does not help, its author must convert it anew, "
                "with a current TensorFlow"
            ) from error
        self.input = _only(self._interpreter.get_input_details(), "input")
        self.output = _only(self._interpreter.get_output_details(), "output")
        self._input_index: int = self._interpreter.get_input_details()[0]["index"]
        self._output_index: int = self._interpreter.get_output_details()[0]["index"]

    def run(self, value: NDArray[Any]) -> NDArray[Any]:
        """The output for one input; its dtype and shape must be exactly the input tensor's."""
        # set_tensor raises where assignment into the tensor's view would cast silently.
        self._interpreter.set_tensor(self._input_index, value)
        self._interpreter.invoke()
        return np.asarray(self._interpreter.get_tensor(self._output_index))

    def partitions(self) -> int | None:
        """Into how many pieces the delegate took the graph; None where the runtime cannot say."""
        operators = getattr(self._interpreter, "_get_ops_details", None)
        if operators is None:
            return None
        names = [str(operator["op_name"]) for operator in operators()]
        return names.count("DELEGATE")


def find_runtime() -> Runtime:
    """The interpreter to use. Raises RuntimeMissingError if none can be imported."""
    reasons = []
    for module, distribution in RUNTIMES.items():
        try:
            found = import_module(module)
        except ImportError as error:
            reasons.append(f"{distribution}: {error}")
        else:
            return Runtime(found.Interpreter, f"{distribution} {_version(distribution)}")
    raise RuntimeMissingError(
        f"no TFLite interpreter can be imported ({'; '.join(reasons)}). "
        "Install one: pip install ai-edge-litert"
    )


def _reason(error: Exception) -> str:
    """The first of what a runtime says, which runs its sentences together; one line."""
    first = re.split(r"\.(?=[A-Z])|\n", str(error), maxsplit=1)[0]
    return first.rstrip(". ")[:LONGEST_REASON]


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:  # installed under another name, as nightlies are
        return "of unknown version"


def _only(details: Sequence[dict[str, Any]], kind: str) -> Tensor:
    if len(details) != 1:
        raise ModelFileError(f"the model has {len(details)} {kind} tensors, expected one")
    tensor = details[0]
    scale, zero_point = tensor["quantization"]
    return Tensor(
        name=tensor["name"],
        shape=tuple(int(side) for side in tensor["shape"]),
        dtype=np.dtype(tensor["dtype"]).name,
        scale=float(scale),
        zero_point=int(zero_point),
    )
