"""A frozen backbone is faster than its network and computes the same."""

from collections.abc import Callable

import keras
import numpy as np
import pytest
from keras import layers

from vedette_train.models.backbones import mobilenet_v2, mobilenet_v3_small
from vedette_train.models.efficientnet_lite0 import lite0
from vedette_train.models.fold_batchnorm import fold_batchnorm, freeze_backbone


def biased() -> keras.Model:
    """Convolutions with a bias, a multiplier of channels, and a normalisation that must stay."""
    picture = keras.Input((64, 64, 3))
    x = layers.BatchNormalization()(layers.Conv2D(6, 3)(picture))
    x = layers.BatchNormalization()(layers.DepthwiseConv2D(3, depth_multiplier=2)(x))
    x = layers.BatchNormalization()(layers.ReLU()(x))
    return keras.Model(picture, layers.GlobalAveragePooling2D()(x))


NETWORKS: dict[str, Callable[[], keras.Model]] = {
    "efficientnet_lite0": lambda: lite0(64, 64),
    "mobilenet_v2": lambda: mobilenet_v2(64, 64, weights=None),
    "mobilenet_v3_small": lambda: mobilenet_v3_small(64, 64, weights=None),
    "biased": biased,
}


def learned(build: Callable[[], keras.Model]) -> keras.Model:
    """A network whose biases and normalisations are as if they had learned something."""
    keras.utils.set_random_seed(0)
    random, network = np.random.default_rng(0), build()
    for layer in network.layers:
        weights = [
            random.uniform(0.5, 1.5, one.shape) if one.ndim == 1 else one
            for one in layer.get_weights()
        ]
        layer.set_weights(weights)
    return network


@pytest.mark.parametrize("name", NETWORKS)
def test_it_gives_what_the_network_gives(name: str) -> None:
    network = learned(NETWORKS[name])
    pictures = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), np.uint8)
    expected, before = network.predict_on_batch(pictures), network.get_weights()
    extract = freeze_backbone(network)
    found = extract(pictures)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5 * expected.max())
    np.testing.assert_allclose(extract(pictures[:2]), found[:2], rtol=1e-3, atol=1e-5)
    for one, other in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("name", "left"), [(name, int(name == "biased")) for name in NETWORKS])
def test_no_normalisation_is_left_behind_a_convolution(name: str, left: int) -> None:
    kinds = [type(layer) for layer in fold_batchnorm(NETWORKS[name]()).layers]
    assert kinds.count(layers.BatchNormalization) == left


def test_what_the_network_learns_later_does_not_matter() -> None:
    network = learned(biased)
    pictures = np.full((1, 64, 64, 3), 99, np.uint8)
    extract = freeze_backbone(network)
    before = extract(pictures)
    network.set_weights([2 * one for one in network.get_weights()])
    np.testing.assert_array_equal(extract(pictures), before)
