"""A frozen backbone is faster than its network and computes the same."""

from collections.abc import Callable
from functools import cache

import keras
import numpy as np
import pytest
from keras import layers

from vedette_train.models.backbones import mobilenet_v2, mobilenet_v3_small
from vedette_train.models.efficientnet_lite0 import lite0
from vedette_train.models.fold_batchnorm import fold_batchnorm


def build_biased() -> keras.Model:
    """Convolutions with a bias, a multiplier of channels, and a normalisation that must stay."""
    image = keras.Input((64, 64, 3))
    x = layers.BatchNormalization()(layers.Conv2D(6, 3)(image))
    x = layers.BatchNormalization()(layers.DepthwiseConv2D(3, depth_multiplier=2)(x))
    x = layers.BatchNormalization()(layers.ReLU()(x))
    return keras.Model(image, layers.GlobalAveragePooling2D()(x))


NETWORKS: dict[str, Callable[[], keras.Model]] = {
    "efficientnet_lite0": lambda: lite0(64, 64),
    "mobilenet_v2": lambda: mobilenet_v2(64, 64, weights=None),
    "mobilenet_v3_small": lambda: mobilenet_v3_small(64, 64, weights=None),
    "biased": build_biased,
}


@cache
def build_trained(name: str) -> keras.Model:
    """A network with biases and normalisations as after training. Not to be changed by a test."""
    keras.utils.set_random_seed(0)
    random, network = np.random.default_rng(0), NETWORKS[name]()
    for layer in network.layers:
        weights = [
            random.uniform(0.5, 1.5, one.shape) if one.ndim == 1 else one
            for one in layer.get_weights()
        ]
        layer.set_weights(weights)
    return network


@pytest.mark.parametrize("name", NETWORKS)
def test_it_gives_what_the_network_gives(name: str) -> None:
    network = build_trained(name)
    images = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), np.uint8)
    expected, before = network.predict_on_batch(images), network.get_weights()
    extract = fold_batchnorm(network).predict_on_batch
    rows = extract(images)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows, expected, rtol=1e-3, atol=1e-5 * expected.max())
    np.testing.assert_allclose(extract(images[:2]), rows[:2], rtol=1e-3, atol=1e-5)
    for one, other in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("name", "left"), [(name, int(name == "biased")) for name in NETWORKS])
def test_no_normalisation_is_left_behind_a_convolution(name: str, left: int) -> None:
    kinds = [type(layer) for layer in fold_batchnorm(build_trained(name)).layers]
    assert kinds.count(layers.BatchNormalization) == left


def test_later_training_of_the_network_does_not_matter() -> None:
    network = keras.models.clone_model(build_trained("biased"))
    images = np.full((1, 64, 64, 3), 99, np.uint8)
    extract = fold_batchnorm(network).predict_on_batch
    before = extract(images)
    network.set_weights([2 * one for one in network.get_weights()])
    np.testing.assert_array_equal(extract(images), before)
