"""The outputs of a Keras file, counted without Keras."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import pytest
from keras import layers

from vedette_convert.sources.keras_file import count_outputs, read_config


def build_sequential() -> Any:
    return keras.Sequential([keras.Input((8,)), layers.Dense(9), layers.Dense(5), layers.Softmax()])


def build_functional() -> Any:
    taken = keras.Input((8,))
    given = layers.Dense(5, name="scores")(layers.Dense(9)(taken))
    return keras.Model(taken, given)


def build_nested() -> Any:
    """As Teachable Machine does."""
    return keras.Sequential([keras.Input((8,)), layers.Dense(8), build_sequential()])


def build_joined() -> Any:
    """As the head in closed form, with an output for unknown."""
    taken = keras.Input((8,))
    joined = layers.Concatenate()([layers.Dense(4)(taken), layers.Dense(1)(taken)])
    return keras.Model(taken, layers.Softmax()(joined))


def build_hidden() -> Any:
    """The number of outputs comes from the input."""
    taken = keras.Input((8, 8, 5))
    return keras.Model(taken, layers.GlobalAveragePooling2D()(taken))


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize(
    ("build", "outputs"),
    [
        (build_sequential, 5),
        (build_functional, 5),
        (build_nested, 5),
        (build_joined, 5),
        (build_hidden, None),
    ],
)
def test_the_outputs_are_those_of_the_last_layer(
    build: Callable[[], Any], outputs: int | None, suffix: str, tmp_path: Path
) -> None:
    path = tmp_path / f"model{suffix}"
    build().save(path)
    assert count_outputs(read_config(path)[0]) == outputs


def test_the_configuration_of_keras_1_is_a_list() -> None:
    dense = {"class_name": "Dense", "config": {"units": 4}}
    assert count_outputs({"class_name": "Sequential", "config": [dense]}) == 4
