"""Networks by name. Each takes raw bytes 0..255 as float32 and normalises them itself."""

from collections.abc import Callable, Mapping
from typing import Any

import keras
from keras import layers

# keras publishes no types
Model = Any


def cnn(height: int, width: int, classes: int) -> Model:
    """The recipe: two 3x3 convolutions of 32 filters, each pooled 2x2, and Dense 128."""
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
            layers.Dense(classes, activation="softmax", name="scores"),
        ],
        name="cnn",
    )


ARCHITECTURES: Mapping[str, Callable[[int, int, int], Model]] = {"cnn": cnn}
