"""Normalisation in front of a model from elsewhere, and what of it the model has already."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from vedette_convert.errors import KerasFileError
from vedette_edge.contract import NORMALISATIONS

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
    model: keras.Model  # these alone

    def of(self, colours: Colours) -> NDArray[Any]:
        """What these layers make of the colours; one a row, if they keep three channels."""
        _, height, width, _ = self.model.input_shape
        plain = np.broadcast_to(colours[:, None, None], (len(colours), height, width, 3))
        made = np.asarray(self.model(plain, training=False))
        return made[:, made.shape[1] // 2, made.shape[2] // 2]


def beginning(model: keras.Model) -> Beginning | None:
    """The normalisation in a model's first layers, of models within it too; None without any.

    It is told by what these layers make of plain colours, not by their settings.
    """
    picture = keras.Input(model.input_shape[1:])
    values, names = picture, list[str]()
    for part in _first_parts(model):
        values = part.model(values)
        names += part.names
    if not names:
        return None
    found = Beginning(OWN, ", ".join(names), keras.Model(picture, values))
    colours = np.random.default_rng(0).integers(0, 256, (8, 3)).astype(np.float32)
    made = found.of(colours)
    if _is_equal(made, colours):
        return None
    known = (name for name, affine in AFFINES.items() if _is_equal(made, affine.of(colours)))
    return replace(found, name=next(known, OWN))


def _is_equal(made: NDArray[Any], expected: Colours) -> bool:
    tolerance = 1e-4 * np.abs(expected).max()  # `unit` and `centred` and `signed` are further apart
    return made.shape == expected.shape and bool(np.abs(made - expected).max() < tolerance)


# What scales the values or moves the channels, and what hands them on as they are, as
# augmentation does in use. Operations between layers have classes and names of their own.
_SCALES = ("Rescaling", "Normalization", "Add", "Subtract", "Multiply", "Divide", "TrueDivide")
_MOVES = ("GetItem", "Stack", "Flip", "Cast", "Identity", "Resizing", "CenterCrop")
_AUGMENTS = ("Random", "Auto", "AugMix", "MixUp", "CutMix", "Equalization")


@dataclass(frozen=True, slots=True)
class _Part:
    """What a model does to its input before anything of it is learned."""

    names: list[str]  # of the operations
    model: keras.Model


def _first_parts(model: keras.Model) -> Iterator[_Part]:
    """The part at a model's beginning; behind it that of the model within, where one follows."""
    graph = keras.Model(model.inputs, model.outputs)  # a Sequential shows no operations
    reached = {id(graph.inputs[0]): graph.inputs[0]}
    names, takers = list[str](), []
    for node in _nodes(graph):
        taken = {id(tensor) for tensor in node.input_tensors}
        if taken <= reached.keys() and _is_preprocessing(node.operation):
            reached |= {id(tensor): tensor for tensor in node.output_tensors}
            names += _names(node.operation)
        elif taken & reached.keys():
            takers.append(node)
    ends = {id(tensor) for node in takers for tensor in node.input_tensors} & reached.keys()
    if len(ends) != 1:
        return
    if names:
        yield _Part(names, keras.Model(graph.inputs, reached[ends.pop()]))
    if len(takers) == 1 and isinstance(takers[0].operation, keras.Model):
        yield from _first_parts(takers[0].operation)


def _nodes(graph: keras.Model) -> list[Any]:
    """Each use of an operation in a graph, in an order in which it can be run; not the inputs."""
    by_depth = sorted(graph._nodes_by_depth.items(), reverse=True)
    return [node for _, nodes in by_depth for node in nodes if node.input_tensors]


def _is_preprocessing(operation: Any) -> bool:
    if isinstance(operation, keras.Model):
        return all(map(_is_preprocessing, _operations(operation)))
    name = type(operation).__name__
    return name in (*_SCALES, *_MOVES) or name.startswith(_AUGMENTS)


def _names(operation: Any) -> list[str]:
    if isinstance(operation, keras.Model):
        return [name for inner in _operations(operation) for name in _names(inner)]
    return [type(operation).__name__]


def _operations(model: keras.Model) -> list[Any]:
    return [node.operation for node in _nodes(keras.Model(model.inputs, model.outputs))]


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


def _why_not_twice(asked: str, found: Beginning) -> str:
    white = np.full((1, 3), 255, np.float32)
    once, twice = found.of(white).flat[0], found.of(AFFINES[asked].of(white)).flat[0]
    formula = f": {NORMALISATIONS[found.name]}" if found.name != OWN else ""
    return (
        f"the model normalises by itself: it begins with {found.layers} ({found.name}{formula}). "
        f"With --normalise {asked} in front of it a byte of 255 would become {twice:.4g}, not "
        f"{once:.4g}. Leave --normalise away"
    )
