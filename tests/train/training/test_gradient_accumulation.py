"""A step over microbatches is the step over the whole batch."""

import keras
import numpy as np
import pytest

from vedette_train.models.architectures import cnn
from vedette_train.training.gradient_accumulation import MICROBATCH, AccumulatingModel


@pytest.mark.parametrize("count", [MICROBATCH * 4, MICROBATCH * 2 + 5, 3])
def test_weights_and_measures_are_those_of_the_whole_batch(count: int) -> None:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (count, 20, 20, 3), np.uint8)
    labels = random.integers(0, 4, count)

    def build() -> keras.Model:
        keras.utils.set_random_seed(1)
        return cnn(20, 20, 4)

    whole, parts = build(), build()
    loss = "sparse_categorical_crossentropy"
    whole.compile(keras.optimizers.SGD(0.1), loss, metrics=["accuracy"])
    stepping = AccumulatingModel(parts, keras.optimizers.SGD(0.1), largest=count)
    expected, actual = (
        model.fit(images, labels, batch_size=count, shuffle=False, verbose=0).history
        for model in (whole, stepping)
    )
    assert actual["loss"] == pytest.approx(expected["loss"], rel=1e-5)
    assert actual["accuracy"] == pytest.approx(expected["accuracy"])
    for one, other in zip(whole.get_weights(), parts.get_weights(), strict=True):
        assert one == pytest.approx(other, abs=1e-6)
    assert stepping.optimizer.iterations == 1


def test_dropout_is_active_in_training() -> None:
    network = keras.Sequential([keras.Input((8,)), keras.layers.Dropout(0.5)])
    network.add(keras.layers.Dense(2, "softmax"))
    stepping = AccumulatingModel(network, keras.optimizers.SGD(0.0))  # weights stay as they are
    rows = np.random.default_rng(0).random((16, 8), np.float32)
    steps = stepping.fit(rows, np.arange(16) % 2, batch_size=16, epochs=2, verbose=0)
    first, second = steps.history["loss"]
    assert first != second
