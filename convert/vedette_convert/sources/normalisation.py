"""Normalisation in front of a model from elsewhere, and what of it the model has already."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from vedette_convert.errors import KerasFileError
from vedette_edge.model.contract import NORMALISATIONS

NONE, OWN = "none", "own"
CHOICES = "".join(f"\n  {name:9} {formula}" for name, formula in NORMALISATIONS.items())

Colours = NDArray[np.float32]  # one a row: R, G, B from 0 to 255


@dataclass(frozen=True, slots=True)
class Affine:
    """What a normalisation makes of a byte: channel by channel, x * scale + offset."""

    scale: tuple[float, float, float]
    offset: tuple[float, float, float]  # in the order of the channels as they leave
    bgr: bool = False  # whether they leave as B, G, R

    def of(self, colours: Colours) -> Colours:
        """The same, normalised."""
        ordered = colours[:, ::-1] if self.bgr else colours
        scale, offset = np.array(self.scale, np.float32), np.array(self.offset, np.float32)
        return ordered * scale + offset


_MEANS, _DEVIATIONS = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # torchvision's, of ImageNet
AFFINES: Mapping[str, Affine] = {
    "unit": Affine((1 / 255,) * 3, (0.0,) * 3),
    "centred": Affine((1 / 128,) * 3, (-127 / 128,) * 3),
    "signed": Affine((1 / 127.5,) * 3, (-1.0,) * 3),
    "resnet50": Affine((1.0,) * 3, (-103.939, -116.779, -123.68), bgr=True),
    "imagenet": Affine(
        (1 / 255 / _DEVIATIONS[0], 1 / 255 / _DEVIATIONS[1], 1 / 255 / _DEVIATIONS[2]),
        (-_MEANS[0] / _DEVIATIONS[0], -_MEANS[1] / _DEVIATIONS[1], -_MEANS[2] / _DEVIATIONS[2]),
    ),
}


def layer(name: str) -> layers.Layer:
    """A layer that normalises bytes so: `none` and `own` leave them as they are.

    What treats the channels alike is a Rescaling, as in training; what does not is a 1x1
    convolution, which quantization gives a scale for each channel and an exact offset.
    """
    affine = AFFINES.get(name)
    if affine is None:
        return layers.Identity(name=name)
    if len({*affine.scale}) == len({*affine.offset}) == 1:
        return layers.Rescaling(affine.scale[0], affine.offset[0], name=name)
    kernel = np.diag(affine.scale)[:: -1 if affine.bgr else 1]
    convolution = layers.Conv2D(3, 1, name=name)
    convolution.build((None, None, None, 3))
    convolution.set_weights([kernel[np.newaxis, np.newaxis], np.array(affine.offset)])
    return convolution


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


def chosen(asked: str | None, model: keras.Model, can_see: bool) -> tuple[str, str]:
    """The normalisation to put in front of a model, and the one that its contract shall name.

    `asked` is what the user named. Raises KerasFileError if that would come on top of the model's
    own, or if nothing says how the model's pictures were normalised: that is not guessed.
    """
    found = beginning(model) if can_see else None
    if found and asked in (None, NONE, OWN):
        return NONE, found.name
    if found and asked:
        raise KerasFileError(_why_not_twice(asked, found))
    if asked is None:
        seen = "does not begin with a normalisation" if can_see else "cannot be looked into"
        raise KerasFileError(
            f"the model {seen}, and what it gets makes all the difference. Say with --normalise "
            f"what its pictures were given as at training, from R, G, B of 0 to 255: {CHOICES}"
        )
    return asked, asked


def others(name: str, can_see: bool) -> list[str]:
    """What else one could put in front of a model than `name`."""
    return [one for one in (NONE if can_see else OWN, *AFFINES) if one != name]


def _why_not_twice(asked: str, found: Beginning) -> str:
    white = np.full((1, 3), 255, np.float32)
    once, twice = found.of(white).flat[0], found.of(AFFINES[asked].of(white)).flat[0]
    formula = f": {NORMALISATIONS[found.name]}" if found.name != OWN else ""
    return (
        f"the model normalises by itself: it begins with {found.layers} ({found.name}{formula}). "
        f"With --normalise {asked} in front of it a byte of 255 would become {twice:.4g}, not "
        f"{once:.4g}. Leave --normalise away"
    )
