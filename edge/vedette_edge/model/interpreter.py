"""Run a .tflite graph on LiteRT or tflite-runtime; no other module tells them apart."""

import math
import os
import re
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module, metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedette_edge.errors import ClosedError, ModelFileError, RuntimeMissingError

# module -> distribution, in the order of preference
RUNTIMES = {
    "ai_edge_litert.interpreter": "ai-edge-litert",
    "tflite_runtime.interpreter": "tflite-runtime",
}

LONGEST_REASON = 160  # characters
REFUSALS = (ValueError, RuntimeError)  # of a runtime; a name that is not UTF-8 is a ValueError

# Without the delegate, scores equal those of tflite-runtime 2.14 on x86 to the step; TFLite's own
# tests compare the other kernels with the reference kernels. Both are slower, the last by far.
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
        """The float32 values for which the numbers in the tensor stand."""
        if not self.scale:
            return content.astype(np.float32, copy=False)
        return (content.astype(np.float32) - self.zero_point) * np.float32(self.scale)


@dataclass(frozen=True, slots=True)
class Runtime:
    """An installed TFLite interpreter."""

    interpreter_class: Any
    name: str  # distribution and version

    def with_kernels(self, kernels: str) -> "Runtime":
        """Return LiteRT with other kernels of TFLite's, one of KERNELS."""
        resolvers = import_module(self.interpreter_class.__module__).OpResolverType
        resolver = getattr(resolvers, kernels)
        interpreter_class = partial(self.interpreter_class, experimental_op_resolver_type=resolver)
        return Runtime(interpreter_class, self.name)


class TFLiteModel:
    """A graph, ready to run, with one input and one output. Threads may share it.

    A forked process has a copy with a lock of its own. The interpreter's further threads do not
    survive a fork: fork only with one, or load the graph again.
    """

    def __init__(self, model: bytes, threads: int, runtime: Runtime) -> None:
        """Load a graph. Raises ModelFileError if the runtime refuses it."""
        self.runtime, self._lock = runtime.name, threading.Lock()
        _models.add(self)
        try:
            self._interpreter = runtime.interpreter_class(model_content=model, num_threads=threads)
            self._interpreter.allocate_tensors()
            inputs = self._interpreter.get_input_details()
            outputs = self._interpreter.get_output_details()
        except (ImportError, SystemError) as error:  # depending on numpy's version
            raise RuntimeMissingError(
                f"{self.runtime} does not work with numpy {np.__version__} "
                f"({error.__cause__ or error}). tflite-runtime needs: "
                "pip install 'numpy<2' 'opencv-python-headless<4.12'"
            ) from error
        except REFUSALS as error:
            raise self._describe_refusal("refuses", error) from error
        self.input = _read_only_tensor(inputs, "input")
        self.output = _read_only_tensor(outputs, "output")
        self._input_index: int = inputs[0]["index"]
        self._output_index: int = outputs[0]["index"]

    def run(self, value: NDArray[Any]) -> NDArray[Any]:
        """Compute the output for an input of exactly the input tensor's dtype and shape.

        Raises ModelFileError if the runtime cannot, also for another dtype or shape, and after
        `close` ClosedError.
        """
        with self._use_interpreter() as interpreter:
            try:
                # set_tensor raises an error where assignment to its view would cast silently.
                interpreter.set_tensor(self._input_index, value)
                interpreter.invoke()
                output = np.asarray(interpreter.get_tensor(self._output_index))
                if output.size != math.prod(self.output.shape):
                    raise ValueError(f"it gives {output.size} numbers, not {self.output.shape}")
                return output
            except REFUSALS as error:
                raise self._describe_refusal("cannot run", error) from error

    def close(self) -> None:
        """Free the interpreter once no thread uses it."""
        with self._lock:
            self._interpreter = None

    def count_partitions(self) -> int | None:
        """Count the delegate's partitions of the graph; None if the runtime cannot report them.

        Raises ClosedError after `close`.
        """
        with self._use_interpreter() as interpreter:
            operators = getattr(interpreter, "_get_ops_details", None)
            if operators is None:
                return None
            try:
                return [operator["op_name"] for operator in operators()].count("DELEGATE")
            except REFUSALS as error:
                raise self._describe_refusal("cannot list the operators of", error) from error

    @contextmanager
    def _use_interpreter(self) -> Iterator[Any]:
        """Lock the interpreter: it has one input and one output tensor for all threads."""
        with self._lock:
            if self._interpreter is None:
                raise ClosedError("the classifier is closed. Create another one to go on")
            yield self._interpreter

    def _describe_refusal(self, verb: str, error: Exception) -> ModelFileError:
        return ModelFileError(
            f"{self.runtime} {verb} the model: {_extract_reason(error)}. Copy the file again; if "
            "that does not help, ask its author to convert it again with a current TensorFlow"
        )


_models: "weakref.WeakSet[TFLiteModel]" = weakref.WeakSet()


def _renew_locks() -> None:
    """Renew all locks in a forked process, where the thread that held one does not exist."""
    for model in list(_models):
        model._lock = threading.Lock()


os.register_at_fork(after_in_child=_renew_locks)


def find_runtime(runtimes: Mapping[str, str] = RUNTIMES) -> Runtime:
    """Import the preferred interpreter. Raises RuntimeMissingError if none can be imported."""
    reasons = []
    for module, distribution in runtimes.items():
        try:
            interpreter_class = import_module(module).Interpreter
            return Runtime(interpreter_class, f"{distribution} {_find_version(distribution)}")
        except ImportError as error:
            reasons.append(f"{distribution}: {error}")
    raise RuntimeMissingError(
        f"no TFLite interpreter can be imported ({'; '.join(reasons)}). "
        "Install one: pip install ai-edge-litert"
    )


def _extract_reason(error: Exception) -> str:
    """The first sentence of a runtime's message, in which no space follows a full stop."""
    first = re.split(r"\.(?=[A-Z])|\n", str(error), maxsplit=1)[0]
    return first.rstrip(". ")[:LONGEST_REASON]


def _find_version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:  # a nightly has another name
        return "of unknown version"


def _read_only_tensor(details: Sequence[dict[str, Any]], kind: str) -> Tensor:
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
