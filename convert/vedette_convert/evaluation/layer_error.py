"""Where in a network quantization hurts: float and integer activations, layer by layer.

Both graphs run without a delegate, which would leave no activations behind.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedette_convert.run import Model
from vedette_edge.images.preprocessing import Image
from vedette_edge.model.interpreter import PLAIN, find_runtime

Activations = Mapping[str, NDArray[np.float32]]  # layer -> what it gave for one picture

# Of photographs in the recipe's network and in EfficientNet-Lite0, 95 % stay below 1.9.
OUTLIER = 2.0  # times the median over pictures


@dataclass(frozen=True, slots=True)
class LayerError:
    """How far a layer's integer activations are from its float ones."""

    layer: str  # Keras' name
    error: float  # root mean square error, relative to the root mean square of the float ones


class LayerActivations:
    """A graph that shows what each layer gives."""

    def __init__(self, graph: bytes, model: Model) -> None:
        """`model` is the Keras model that the graph was made of; it names the layers."""
        self._interpreter = (
            find_runtime()
            .with_kernels(PLAIN)
            .interpreter_class(model_content=graph, experimental_preserve_all_tensors=True)
        )
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]
        self._tensors = self._by_layer({layer.name for layer in _flat(model)})

    def activations(self, prepared: Image) -> Activations:
        """What each layer gives for a prepared picture."""
        given = prepared[np.newaxis].astype(self._input["dtype"])
        self._interpreter.set_tensor(self._input["index"], given)
        self._interpreter.invoke()
        return {layer: self._values(tensor) for layer, tensor in self._tensors.items()}

    def _by_layer(self, names: set[str]) -> dict[str, dict[str, Any]]:
        """The last tensor that each layer makes, in the order of the network."""
        details = {tensor["index"]: tensor for tensor in self._interpreter.get_tensor_details()}
        found = {}
        for operator in self._interpreter._get_ops_details():
            for index in operator["outputs"]:
                if layer := _layer(details[index]["name"], names):
                    found[layer] = details[index]
        return found

    def _values(self, tensor: Mapping[str, Any]) -> NDArray[np.float32]:
        content = np.asarray(self._interpreter.get_tensor(tensor["index"]), np.float32)
        scale, zero_point = tensor["quantization"]
        return (content - zero_point) * np.float32(scale) if scale else content


def _flat(model: Model) -> Iterable[Any]:
    for layer in model.layers:
        yield from _flat(layer) if hasattr(layer, "layers") else (layer,)


def _layer(tensor: str, names: set[str]) -> str:
    """The Keras layer in a tensor's name, such as one_at_a_time_1/net_1/conv_1/Relu;...

    Keras adds a number to the name of each layer that is called again, as all were. Empty for
    what no layer made.
    """
    parts = (re.sub(r"_\d+$", "", part) for part in tensor.split(";")[0].split("/"))
    return next((part for part in parts if part in names), "")


def measure_errors(
    float_layers: LayerActivations, layers: LayerActivations, pictures: Sequence[Image]
) -> list[LayerError]:
    """The error of each layer that both graphs have, over all the pictures."""
    noise: dict[str, float] = {}
    signal: dict[str, float] = {}
    for prepared in pictures:
        wanted, found = float_layers.activations(prepared), layers.activations(prepared)
        for layer, values in wanted.items():
            if layer in found and found[layer].shape == values.shape:
                off = values - found[layer]
                noise[layer] = noise.get(layer, 0) + float(np.mean(off * off))
                signal[layer] = signal.get(layer, 0) + float(np.mean(values * values))
    return [
        LayerError(layer, math.sqrt(noise[layer] / signal[layer]) if signal[layer] else 0.0)
        for layer in noise
    ]


def drop_outliers(
    float_layers: LayerActivations, pictures: Sequence[Image], advance: Callable[[], None]
) -> list[Image]:
    """The pictures without those that set a layer's range alone.

    Such a picture's largest activation in some layer is more than OUTLIER times the median of
    all pictures' largest ones.
    """
    largest = []
    for prepared in pictures:
        found = float_layers.activations(prepared)
        largest.append([float(np.abs(values).max()) for values in found.values()])
        advance()
    median = np.maximum(np.median(largest, axis=0), np.finfo(np.float32).tiny)
    kept = np.flatnonzero(np.all(np.array(largest) <= OUTLIER * median, axis=1))
    return [pictures[number] for number in kept.tolist()] or list(pictures)
