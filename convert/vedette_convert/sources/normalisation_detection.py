"""The normalisation that a Keras model begins with."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from vedette_convert.sources.normalisation import AFFINES, Colours

NONE, OWN = "none", "own"


@dataclass(frozen=True, slots=True)
class Beginning:
    """The normalisation with which a model begins."""

    name: str  # of NORMALISATIONS
    layers: str  # theirs, as a person reads them
    model: keras.Model  # from the picture to the last of them

    def of(self, colours: Colours) -> NDArray[Any]:
        """What these layers make of the colours; one a row, if they keep three channels."""
        _, height, width, _ = self.model.input_shape
        plain = np.broadcast_to(colours[:, None, None], (len(colours), height, width, 3))
        made = np.asarray(self.model(plain, training=False))
        middle = (side // 2 for side in made.shape[1:-1])  # which no padding reaches
        return made[(slice(None), *middle)]


def beginning(model: keras.Model) -> Beginning | None:
    """The normalisation in front of what a model learned, in any branch; None without any.

    Models within it are looked into. What normalises is told by what it makes of plain colours,
    not by its settings, and is `own` where branches differ.
    """
    picture = keras.Input(model.input_shape[1:])
    steps = list(_before_weights(model, {id(model.inputs[0]): picture}))
    normalising = [one for one in steps if one.name in (*_SCALES, *_MOVES)]
    if not any(one.name in _SCALES for one in normalising):
        return None
    names = ", ".join(one.name for one in normalising)
    found = Beginning(OWN, names, keras.Model(picture, normalising[-1].made))
    ends = (keras.Model(picture, one.made) for one in steps if one.operation is None)
    operations = {one.operation for one in normalising}
    if not all(operations <= {*way.operations} for way in (found.model, *ends)):
        return found
    colours = np.random.default_rng(0).integers(0, 256, (8, 3)).astype(np.float32)
    made = found.of(colours)
    if _is_equal(made, colours):
        return None
    known = (name for name, affine in AFFINES.items() if _is_equal(made, affine.of(colours)))
    return replace(found, name=next(known, OWN))


def _is_equal(made: NDArray[Any], expected: Colours) -> bool:
    tolerance = 1e-4 * np.abs(expected).max()  # `unit` and `centred` and `signed` are further apart
    return made.shape == expected.shape and bool(np.abs(made - expected).max() < tolerance)


# What scales the values or moves the channels. Arithmetic between layers has classes of its own.
_SCALES = ("Rescaling", "Normalization", "Add", "Subtract", "Multiply", "Divide", "TrueDivide")


_MOVES = ("GetItem", "Stack", "Concatenate", "Flip")


@dataclass(frozen=True, slots=True)
class _Step:
    """What an operation before any learned one makes; without operation, what a later one takes."""

    operation: Any
    made: Any  # a symbolic tensor

    @property
    def name(self) -> str:
        """The operation's class, or that of the layer which it wraps."""
        return type(getattr(self.operation, "layer", self.operation)).__name__


def _before_weights(model: keras.Model, reached: dict[int, Any]) -> Iterator[_Step]:
    """All steps from a model's input to the first learned operation on each way.

    `reached` maps the ids of the model's own tensors to ours: of its input at first, and of all
    that these steps make at last.
    """
    for node in _nodes(keras.Model(model.inputs, model.outputs)):  # Sequentials show no operations
        taken = [reached[id(one)] for one in node.input_tensors if id(one) in reached]
        if len(taken) < len(node.input_tensors) or _is_learned(node.operation):
            yield from (_Step(None, one) for one in taken)
            continue
        if isinstance(node.operation, keras.Model):
            within = {id(one): ours for one, ours in zip(node.operation.inputs, taken, strict=True)}
            yield from _before_weights(node.operation, within)
            made = [within.get(id(tensor)) for tensor in node.operation.outputs]
        else:
            arguments, settings = node.arguments.fill_in(reached)
            made = keras.tree.flatten(node.operation(*arguments, **settings))
            yield _Step(node.operation, made[0])
        ours = zip(node.output_tensors, made, strict=True)
        reached |= {id(tensor): one for tensor, one in ours if one is not None}


def _nodes(graph: keras.Model) -> list[Any]:
    """Each use of an operation in a graph, in an order in which it can be run; not the inputs."""
    by_depth = sorted(graph._nodes_by_depth.items(), reverse=True)
    return [node for _, nodes in by_depth for node in nodes if node.input_tensors]


def _is_learned(operation: Any) -> bool:
    """Whether it has weights, as convolutions have; those of a normalisation do not count."""
    if isinstance(operation, keras.Model) or type(operation).__name__.endswith("Normalization"):
        return False
    return bool(getattr(operation, "weights", ()))
