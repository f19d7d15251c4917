"""A backbone that does not learn, in about half the time."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from vedette_edge.images.preprocessing import Image
from vedette_train.models.architectures import Model

Layer = Any  # keras publishes no types
Weights = list[NDArray[np.float32]]


def freeze_backbone(network: Model) -> Callable[[Image], NDArray[np.float32]]:
    """What a functional network, as it is now, makes of pictures: a row each.

    They come as uint8, batch x height x width x 3. The rows differ from the network's own by
    the rounding of float32.
    """
    return fold_batchnorm(network).predict_on_batch  # type: ignore[no-any-return]  # keras has no types


def fold_batchnorm(network: Model) -> Model:
    """A copy in which no batch normalisation follows a convolution.

    It is a factor of the convolution's kernel and its bias instead: TensorFlow computes them and
    the activation in one go. This asks that nothing else follows the same convolution.
    """
    norms = {conv.name: norm for conv, norm in pairwise(network.layers) if _is_foldable(norm, conv)}
    gone = {norm.name for norm in norms.values()}

    def copied(layer: Layer) -> Layer:
        config = layer.get_config()
        if layer.name in norms:
            config["use_bias"] = True
        return type(layer).from_config(config)

    def called(layer: Layer, x: Any, *others: Any, **settings: Any) -> Any:
        return x if layer.name in gone else layer(x, *others, **settings)

    copy = keras.models.clone_model(network, clone_function=copied, call_function=called)
    for layer in network.layers:
        if layer.weights and layer.name not in gone:
            weights, norm = layer.get_weights(), norms.get(layer.name)
            weights = _fold_weights(layer, weights, norm) if norm else weights
            copy.get_layer(layer.name).set_weights(weights)
    return copy


def _is_foldable(norm: Layer, conv: Layer) -> bool:
    return (
        isinstance(norm, layers.BatchNormalization)
        and isinstance(conv, layers.Conv2D | layers.DepthwiseConv2D)
        and norm.input is conv.output
    )


def _fold_weights(conv: Layer, weights: Weights, norm: Layer) -> Weights:
    """Kernel and bias that give gamma * (conv(x) - mean) / sqrt(variance + epsilon) + beta."""
    gamma, beta, mean, variance = norm.get_weights()
    factor = gamma / np.sqrt(variance + norm.epsilon)
    kernel, *biases = weights
    # height x width x in x out, but x in x multiplier where channels stay apart
    apart = isinstance(conv, layers.DepthwiseConv2D)
    factors = factor.reshape(kernel.shape[2:]) if apart else factor
    return [kernel * factors, beta + (sum(biases) - mean) * factor]
