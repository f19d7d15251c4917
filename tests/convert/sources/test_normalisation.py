"""A model's own normalisation, found wherever it stands before what is learned."""

from collections.abc import Callable
from typing import Any

import keras
import pytest
from keras import layers

from vedette_convert.errors import KerasFileError
from vedette_convert.sources.normalisation_check import choose_normalisation
from vedette_convert.sources.normalisation_detection import detect_normalisation

SIDE = 32


def unit() -> layers.Layer:
    return layers.Rescaling(1 / 255)


def network(*first: layers.Layer) -> Any:
    return keras.Sequential(
        [keras.Input((SIDE, SIDE, 3)), *first, layers.Conv2D(4, 3), layers.Flatten()]
    )


def branched(*branches: Callable[[Any], Any]) -> Any:
    """Each branch makes of the picture what a convolution then takes."""
    picture = keras.Input((SIDE, SIDE, 3))
    taken = [layers.Conv2D(4, 3)(branch(picture)) for branch in branches]
    return keras.Model(picture, layers.Concatenate()(taken) if len(taken) > 1 else taken[0])


def within(model: Any) -> Any:
    """A model as one layer, behind another, of a model."""
    picture = keras.Input((SIDE, SIDE, 3))
    return keras.Model(picture, layers.Flatten()(model(layers.Dropout(0.2)(picture))))


@pytest.mark.parametrize(
    "model",
    [
        network(unit()),
        network(layers.Activation("linear"), unit()),
        network(layers.Dropout(0.2), unit()),
        network(layers.Reshape((SIDE * SIDE, 3)), layers.Reshape((SIDE, SIDE, 3)), unit()),
        network(layers.Permute((2, 1, 3)), unit()),
        network(layers.ZeroPadding2D(2), unit()),
        network(layers.Cropping2D(2), unit(), layers.Activation("linear")),
        network(keras.Sequential([layers.RandomFlip(), layers.RandomRotation(0.1), unit()])),
        network(
            layers.Reshape((1, SIDE, SIDE, 3)),
            layers.TimeDistributed(unit()),
            layers.Reshape((SIDE, SIDE, 3)),
        ),
        within(network(unit())),
        within(within(network(layers.ZeroPadding2D(1), unit()))),
    ],
)
def test_a_rescaling_is_recognised_behind_what_learns_nothing(model: Any) -> None:
    found = detect_normalisation(model)
    assert found is not None
    assert (found.name, found.layers) == ("unit", "Rescaling")
    with pytest.raises(KerasFileError, match=r"begins with Rescaling .*Leave --normalise away"):
        choose_normalisation("unit", model, can_see=True)


@pytest.mark.parametrize(
    "model",
    [
        branched(lambda x: layers.Concatenate()([unit()(x), layers.Rescaling(1 / 127.5, -1)(x)])),
        branched(unit(), layers.Rescaling(1 / 127.5, -1)),
        branched(unit(), layers.Activation("linear")),
        network(layers.Permute((3, 1, 2)), unit(), layers.Permute((2, 3, 1))),
        network(layers.BatchNormalization(), unit()),
    ],
)
def test_a_normalisation_of_no_usual_kind_is_not_doubled_either(model: Any) -> None:
    assert choose_normalisation(None, model, can_see=True) == ("none", "own")
    with pytest.raises(KerasFileError, match="the model normalises by itself"):
        choose_normalisation("unit", model, can_see=True)


@pytest.mark.parametrize(
    "model",
    [
        network(),
        network(layers.BatchNormalization()),
        network(layers.MaxPooling2D(2), layers.Activation("relu")),
        branched(lambda x: x[..., ::-1]),
        branched(lambda x: x[..., :1], lambda x: x[..., 1:]),
        keras.Sequential([network(), layers.Rescaling(0.5)]),
    ],
)
def test_what_does_not_scale_the_picture_is_no_normalisation(model: Any) -> None:
    assert detect_normalisation(model) is None
    assert choose_normalisation("unit", model, can_see=True) == ("unit", "unit")


@pytest.mark.parametrize(
    ("preprocess", "name"),
    [
        (keras.applications.resnet50.preprocess_input, "resnet50"),
        (keras.applications.densenet.preprocess_input, "imagenet"),
        (lambda x: x / 127.5 - 1, "signed"),
    ],
)
def test_arithmetic_between_layers_is_recognised_before_a_fork_too(
    preprocess: Callable[[Any], Any], name: str
) -> None:
    picture = keras.Input((SIDE, SIDE, 3))
    values = preprocess(picture)
    forked = layers.Conv2D(3, 3)(values) + layers.Conv2D(3, 3)(values)
    found = detect_normalisation(keras.Model(picture, forked))
    assert found is not None
    assert found.name == name
