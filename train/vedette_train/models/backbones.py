"""Backbones: networks with ImageNet weights that turn images into features."""

from collections.abc import Callable, Mapping
from typing import Any

import keras
from keras import layers

from vedette_train.errors import WeightsError
from vedette_train.models.architectures import Model
from vedette_train.models.block_features import Trunk
from vedette_train.models.efficientnet_lite0 import lite0, load_imagenet

UPPER_SHARE = 1 / 3  # of a backbone's layers, which fine-tuning trains


def efficientnet_lite0(height: int, width: int) -> Model:
    """EfficientNet-Lite0 with weights from an installed package, so that it works offline."""
    backbone = lite0(height, width)
    load_imagenet(backbone)
    return backbone


def mobilenet_v2(height: int, width: int, weights: str | None = "imagenet") -> Model:
    """MobileNetV2 of keras.applications, with its own preprocessing as the first layer."""
    return _load_keras_application(keras.applications.MobileNetV2, height, width, weights)


def mobilenet_v3_small(height: int, width: int, weights: str | None = "imagenet") -> Model:
    """MobileNetV3-Small of keras.applications, likewise."""
    build = keras.applications.MobileNetV3Small
    return _load_keras_application(build, height, width, weights, include_preprocessing=False)


BACKBONES: Mapping[str, Callable[[int, int], Model]] = {
    "efficientnet_lite0": efficientnet_lite0,
    "efficientnet_lite0_tiny": efficientnet_lite0,
    "efficientnet_lite0_nano": efficientnet_lite0,
    "mobilenet_v2": mobilenet_v2,
    "mobilenet_v3_small": mobilenet_v3_small,
}

# The part of a backbone that features come from, if it is not the whole.
TRUNKS: Mapping[str, Trunk] = {
    "efficientnet_lite0_tiny": Trunk(blocks=12),
    "efficientnet_lite0_nano": Trunk(blocks=9, first=8),
}


def build_with_head(backbone: Model, classes: int) -> tuple[Model, Model]:
    """A classifier on a backbone, images to scores, and its head alone, features to scores.

    Both share the head's layers, so training one trains the other. The backbone is frozen.
    """
    backbone.trainable = False
    dropout = layers.Dropout(0.2, name="dropout")
    # float32 for exact scores, whatever type the rest computes in.
    scores = layers.Dense(classes, activation="softmax", name="scores", dtype="float32")
    features = keras.Input(backbone.output_shape[1:], name="features")
    head = keras.Model(features, scores(dropout(features)), name="head")
    whole = keras.Model(backbone.input, scores(dropout(backbone.output)), name=backbone.name)
    return whole, head


def thaw(backbone: Model) -> None:
    """Make the upper layers trainable; batch normalisation keeps its ImageNet statistics."""
    upper = backbone.layers[round(len(backbone.layers) * (1 - UPPER_SHARE)) :]
    for layer in upper:
        layer.trainable = not isinstance(layer, layers.BatchNormalization)


def _load_keras_application(
    build: Callable[..., Model], height: int, width: int, weights: str | None, **options: Any
) -> Model:
    image = keras.Input((height, width, 3), name="picture")
    signed = layers.Rescaling(1 / 127.5, offset=-1.0, name="signed")(image)
    try:
        return build(
            input_tensor=signed, include_top=False, pooling="avg", weights=weights, **options
        )
    except ValueError as error:
        raise WeightsError(f"{build.__name__} cannot be built: {error}") from error
    except Exception as error:  # keras raises no narrower class if a download fails
        raise WeightsError(
            f"the weights of {build.__name__} could not be loaded ({error}). They are downloaded "
            "once, to ~/.keras/models; efficientnet_lite0 works offline"
        ) from error
