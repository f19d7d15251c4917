"""The quantization error of each layer: integer activations against float ones.

Both graphs run without a delegate, which would keep no activations.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedette_convert.quantization.serialization import find_layer
from vedette_convert.run import Advance, Model
from vedette_edge.images.preprocessing import Image
from vedette_edge.model.interpreter import PLAIN, find_runtime

Activations = Mapping[str, NDArray[np.float32]]  # layer -> its output for one image

# Of photographs in the recipe's network and in EfficientNet-Lite0, 95 % stay below 1.9.
OUTLIER = 2.0  # times the median over images


@dataclass(frozen=True, slots=True)
class LayerError:
    """The distance of a layer's integer activations from its float ones."""

    layer: str  # Keras' name
    error: float  # root mean square error, relative to the root mean square of the float ones


class LayerActivations:
    """An interpreter that keeps the output of each layer."""

    def __init__(self, graph: bytes, model: Model) -> None:
        """`model` is the Keras model of the graph; it names the layers."""
        create = find_runtime().with_kernels(PLAIN).interpreter_class
        self._interpreter = create(model_content=graph, experimental_preserve_all_tensors=True)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]
        self._tensors = self._find_outputs({layer.name for layer in _walk_layers(model)})

    def compute(self, prepared: Image) -> Activations:
        """Compute the output of each layer for a preprocessed image."""
        batch = prepared[np.newaxis].astype(self._input["dtype"])
        self._interpreter.set_tensor(self._input["index"], batch)
        self._interpreter.invoke()
        return {layer: self._read(tensor) for layer, tensor in self._tensors.items()}

    def _find_outputs(self, names: set[str]) -> dict[str, dict[str, Any]]:
        """Find the last tensor of each layer, in the order of the network."""
        details = {tensor["index"]: tensor for tensor in self._interpreter.get_tensor_details()}
        outputs = {}
        for operator in self._interpreter._get_ops_details():
            for index in operator["outputs"]:
                if layer := find_layer(details[index]["name"], names):
                    outputs[layer] = details[index]
        return outputs

    def _read(self, tensor: Mapping[str, Any]) -> NDArray[np.float32]:
        content = np.asarray(self._interpreter.get_tensor(tensor["index"]), np.float32)
        scale, zero_point = tensor["quantization"]
        return (content - zero_point) * np.float32(scale) if scale else content


def _walk_layers(model: Model) -> Iterator[Any]:
    for layer in model.layers:
        yield from _walk_layers(layer) if hasattr(layer, "layers") else (layer,)


def measure_errors(
    float_layers: LayerActivations, layers: LayerActivations, images: Sequence[Image]
) -> list[LayerError]:
    """Measure the error of each layer that both graphs have, over all images."""
    noise: dict[str, float] = {}
    signal: dict[str, float] = {}
    for prepared in images:
        expected, actual = float_layers.compute(prepared), layers.compute(prepared)
        for layer, values in expected.items():
            if layer in actual and actual[layer].shape == values.shape:
                off = values - actual[layer]
                noise[layer] = noise.get(layer, 0) + float(np.mean(off * off))
                signal[layer] = signal.get(layer, 0) + float(np.mean(values * values))
    return [
        LayerError(layer, math.sqrt(noise[layer] / signal[layer]) if signal[layer] else 0.0)
        for layer in noise
    ]


def drop_outliers(
    float_layers: LayerActivations, images: Sequence[Image], advance: Advance
) -> list[Image]:
    """Drop images that alone set a layer's range.

    The largest activation of such an image in some layer is more than OUTLIER times the median
    of the largest ones of all images.
    """
    largest = []
    for prepared in images:
        activations = float_layers.compute(prepared).values()
        largest.append([float(np.abs(values).max()) for values in activations])
        advance()
    median = np.maximum(np.median(largest, axis=0), np.finfo(np.float32).tiny)
    kept = np.flatnonzero(np.all(np.array(largest) <= OUTLIER * median, axis=1))
    return [images[index] for index in kept.tolist()] or list(images)
