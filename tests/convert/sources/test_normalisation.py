"""Detection of a model's own normalisation, wherever it is before learned layers."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from vedette_convert.errors import KerasFileError
from vedette_convert.sources.normalisation import AFFINES, create_layer
from vedette_convert.sources.normalisation_check import choose_normalisation
from vedette_convert.sources.normalisation_detection import detect_normalisation
from vedette_edge.model.contract import NORMALISATIONS

SIDE = 32


def create_unit() -> layers.Layer:
    return layers.Rescaling(1 / 255)


def build_network(*first: layers.Layer) -> Any:
    return keras.Sequential(
        [keras.Input((SIDE, SIDE, 3)), *first, layers.Conv2D(4, 3), layers.Flatten()]
    )


def build_branches(*branches: Callable[[Any], Any]) -> Any:
    """Build a model with a convolution behind each branch."""
    picture = keras.Input((SIDE, SIDE, 3))
    taken = [layers.Conv2D(4, 3)(branch(picture)) for branch in branches]
    return keras.Model(picture, layers.Concatenate()(taken) if len(taken) > 1 else taken[0])


def nest(model: Any) -> Any:
    """Make a model one layer, behind another, of an outer model."""
    picture = keras.Input((SIDE, SIDE, 3))
    return keras.Model(picture, layers.Flatten()(model(layers.Dropout(0.2)(picture))))


MEANS, DEVIATIONS = np.array((0.485, 0.456, 0.406)), np.array((0.229, 0.224, 0.225))
FORMULAS: dict[str, Callable[[Any], Any]] = {  # those of NORMALISATIONS, in numpy
    "unit": lambda x: x / 255,
    "centred": lambda x: (x - 127) / 128,
    "signed": lambda x: x / 127.5 - 1,
    "resnet50": lambda x: x[..., ::-1] - (103.939, 116.779, 123.68),
    "imagenet": lambda x: (x / 255 - MEANS) / DEVIATIONS,
    "none": lambda x: x,
    "own": lambda x: x,
}


@pytest.mark.parametrize("name", NORMALISATIONS)
def test_a_layer_computes_the_formula_of_its_name(name: str) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 5, 7, 3)).astype(np.float32)
    actual = keras.ops.convert_to_numpy(create_layer(name)(images))
    np.testing.assert_allclose(actual, FORMULAS[name](images), rtol=1e-5, atol=1e-4)
    if name in AFFINES:
        colours = images.reshape(-1, 3)
        expected = FORMULAS[name](colours)
        np.testing.assert_allclose(AFFINES[name].apply(colours), expected, rtol=1e-5, atol=1e-4)


@pytest.fixture
def model(request: pytest.FixtureRequest) -> Any:
    """A model of the builder that a test is parametrized with: built in the test's own time."""
    return request.param()


@pytest.mark.parametrize(
    "model",
    [
        lambda: build_network(create_unit()),
        lambda: build_network(layers.Activation("linear"), create_unit()),
        lambda: build_network(layers.Dropout(0.2), create_unit()),
        lambda: build_network(
            layers.Reshape((SIDE * SIDE, 3)), layers.Reshape((SIDE, SIDE, 3)), create_unit()
        ),
        lambda: build_network(layers.Permute((2, 1, 3)), create_unit()),
        lambda: build_network(layers.ZeroPadding2D(2), create_unit()),
        lambda: build_network(layers.Cropping2D(2), create_unit(), layers.Activation("linear")),
        lambda: build_network(
            keras.Sequential([layers.RandomFlip(), layers.RandomRotation(0.1), create_unit()])
        ),
        lambda: build_network(
            layers.Reshape((1, SIDE, SIDE, 3)),
            layers.TimeDistributed(create_unit()),
            layers.Reshape((SIDE, SIDE, 3)),
        ),
        lambda: nest(build_network(create_unit())),
        lambda: nest(nest(build_network(layers.ZeroPadding2D(1), create_unit()))),
    ],
    indirect=True,
)
def test_a_rescaling_is_recognised_behind_what_learns_nothing(model: Any) -> None:
    own = detect_normalisation(model)
    assert own is not None
    assert (own.name, own.layers) == ("unit", "Rescaling")
    with pytest.raises(KerasFileError, match=r"begins with Rescaling .*--normalise"):
        choose_normalisation("unit", model, can_see=True)


@pytest.mark.parametrize(
    "model",
    [
        lambda: build_branches(
            lambda x: layers.Concatenate()([create_unit()(x), layers.Rescaling(1 / 127.5, -1)(x)])
        ),
        lambda: build_branches(create_unit(), layers.Rescaling(1 / 127.5, -1)),
        lambda: build_branches(create_unit(), layers.Activation("linear")),
        lambda: build_network(layers.Permute((3, 1, 2)), create_unit(), layers.Permute((2, 3, 1))),
        lambda: build_network(layers.BatchNormalization(), create_unit()),
    ],
    indirect=True,
)
def test_a_normalisation_of_no_usual_kind_is_not_doubled_either(model: Any) -> None:
    assert choose_normalisation(None, model, can_see=True) == ("none", "own")
    with pytest.raises(KerasFileError, match="--normalise unit"):
        choose_normalisation("unit", model, can_see=True)


@pytest.mark.parametrize(
    "model",
    [
        lambda: build_network(),
        lambda: build_network(layers.BatchNormalization()),
        lambda: build_network(layers.MaxPooling2D(2), layers.Activation("relu")),
        lambda: build_branches(lambda x: x[..., ::-1]),
        lambda: build_branches(lambda x: x[..., :1], lambda x: x[..., 1:]),
        lambda: keras.Sequential([build_network(), layers.Rescaling(0.5)]),
    ],
    indirect=True,
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
    own = detect_normalisation(keras.Model(picture, forked))
    assert own is not None
    assert own.name == name


@pytest.mark.parametrize(
    ("name", "layer"),
    [("unit", layers.Rescaling), ("imagenet", layers.Conv2D), ("none", layers.Identity)],
)
def test_a_normalisation_is_the_layer_that_quantizes_best(name: str, layer: type) -> None:
    assert type(create_layer(name)) is layer
