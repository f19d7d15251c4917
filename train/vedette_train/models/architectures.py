"""Networks by name. Each takes bytes 0..255 as float32, and normalises them itself."""

from collections.abc import Callable, Mapping
from typing import Any

import keras
from keras import layers

Model = Any  # keras publishes no types


def cnn(height: int, width: int, classes: int) -> Model:
    """Two 3x3 convolutions of 32 filters, each pooled 2x2, and Dense 128: the recipe."""
    return keras.Sequential(
        [
            keras.Input((height, width, 3), name="picture"),
            layers.Rescaling(1 / 255, name="unit"),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(classes, activation="softmax", name="scores", dtype="float32"),
        ],
        name="cnn",
    )


def small(height: int, width: int, classes: int) -> Model:
    """Separable convolutions with few weights, to train from scratch on few photographs.

    The maps become small early, and only small maps have batch normalisation, which takes most
    of the training time on a CPU.
    """
    image = keras.Input((height, width, 3), name="picture")
    maps = layers.Rescaling(1 / 255, name="unit")(image)
    maps = layers.Conv2D(32, 7, strides=4, padding="same", activation="relu")(maps)
    for filters in (96, 192, 384):
        maps = _apply_separable(maps, filters, strides=2)
        maps = _apply_separable(maps, filters, strides=1)
    features = layers.Dropout(0.2)(layers.GlobalAveragePooling2D()(maps))
    scores = layers.Dense(classes, activation="softmax", name="scores", dtype="float32")(features)
    return keras.Model(image, scores, name="small")


def _apply_separable(maps: Any, filters: int, strides: int) -> Any:
    maps = layers.SeparableConv2D(filters, 3, strides, padding="same", use_bias=False)(maps)
    # A run has few steps: an average over more of them would lag behind.
    maps = layers.BatchNormalization(momentum=0.9)(maps)
    return layers.ReLU(6)(maps)


ARCHITECTURES: Mapping[str, Callable[[int, int, int], Model]] = {"cnn": cnn, "small": small}
