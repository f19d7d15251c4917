"""The normalisation in the first layers of a Keras model."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from vedette_convert.sources.normalisation import AFFINES, OWN, Colours

# Layers that scale values or move channels. Arithmetic between layers has classes of its own.
_SCALES = ("Rescaling", "Normalization", "Add", "Subtract", "Multiply", "Divide", "TrueDivide")
_MOVES = ("GetItem", "Stack", "Concatenate", "Flip")


@dataclass(frozen=True, slots=True)
class DetectedNormalisation:
    """The normalisation with which a model begins."""

    name: str  # of NORMALISATIONS
    layers: str  # names of their classes
    model: keras.Model  # from the input to the last of these layers

    def apply(self, colours: Colours) -> NDArray[Any]:
        """Run the layers on plain images; a row for each colour, if they keep three channels."""
        _, height, width, _ = self.model.input_shape
        plain = np.broadcast_to(colours[:, None, None], (len(colours), height, width, 3))
        output = np.asarray(self.model(plain, training=False))
        middle = (side // 2 for side in output.shape[1:-1])  # which no padding reaches
        return output[(slice(None), *middle)]


@dataclass(frozen=True, slots=True)
class _Step:
    """An operation before any learned one, or the input of a learned one."""

    operation: Any  # None: the input of a learned operation
    tensor: Any  # the symbolic output, or that input

    @property
    def name(self) -> str:
        """The operation's class, or that of the layer which it wraps."""
        return type(getattr(self.operation, "layer", self.operation)).__name__


def detect_normalisation(model: keras.Model) -> DetectedNormalisation | None:
    """Detect the normalisation before the first learned layer of any branch, if there is one.

    Nested models are searched, too. A normalisation is recognised by its effect on plain
    colours, not by its settings, and is `own` if branches differ.
    """
    image = keras.Input(model.input_shape[1:])
    steps = list(_walk_to_weights(model, {id(model.inputs[0]): image}))
    normalising = [one for one in steps if one.name in (*_SCALES, *_MOVES)]
    if not any(one.name in _SCALES for one in normalising):
        return None
    names = ", ".join(one.name for one in normalising)
    own = DetectedNormalisation(OWN, names, keras.Model(image, normalising[-1].tensor))
    ends = (keras.Model(image, one.tensor) for one in steps if one.operation is None)
    operations = {one.operation for one in normalising}
    if not all(operations <= {*way.operations} for way in (own.model, *ends)):
        return own
    colours = np.random.default_rng(0).integers(0, 256, (8, 3)).astype(np.float32)
    output = own.apply(colours)
    if _match(output, colours):
        return None
    known = (name for name, affine in AFFINES.items() if _match(output, affine.apply(colours)))
    return replace(own, name=next(known, OWN))


def _match(output: NDArray[Any], expected: Colours) -> bool:
    tolerance = 1e-4 * np.abs(expected).max()  # `unit`, `centred` and `signed` are further apart
    return output.shape == expected.shape and bool(np.abs(output - expected).max() < tolerance)


def _walk_to_weights(model: keras.Model, reached: dict[int, Any]) -> Iterator[_Step]:
    """Yield all steps from a model's input to the first learned operation of each branch.

    `reached` maps ids of the model's tensors to those of the graph that these steps build: of
    its input at first, and of all outputs of these steps in the end.
    """
    for node in _sort_nodes(keras.Model(model.inputs, model.outputs)):  # as Sequentials have none
        inputs = [reached[id(one)] for one in node.input_tensors if id(one) in reached]
        if len(inputs) < len(node.input_tensors) or _has_weights(node.operation):
            yield from (_Step(None, one) for one in inputs)
            continue
        if isinstance(node.operation, keras.Model):
            pairs = zip(node.operation.inputs, inputs, strict=True)
            within = {id(one): ours for one, ours in pairs}
            yield from _walk_to_weights(node.operation, within)
            outputs = [within.get(id(tensor)) for tensor in node.operation.outputs]
        else:
            arguments, settings = node.arguments.fill_in(reached)
            outputs = keras.tree.flatten(node.operation(*arguments, **settings))
            yield _Step(node.operation, outputs[0])
        ours = zip(node.output_tensors, outputs, strict=True)
        reached |= {id(tensor): one for tensor, one in ours if one is not None}


def _sort_nodes(graph: keras.Model) -> list[Any]:
    """Sort the uses of operations in a graph in an order in which they can run; no inputs."""
    by_depth = sorted(graph._nodes_by_depth.items(), reverse=True)
    return [node for _, nodes in by_depth for node in nodes if node.input_tensors]


def _has_weights(operation: Any) -> bool:
    """True for a learned operation, such as a convolution, but not for a normalisation."""
    if isinstance(operation, keras.Model) or type(operation).__name__.endswith("Normalization"):
        return False
    return bool(getattr(operation, "weights", ()))
