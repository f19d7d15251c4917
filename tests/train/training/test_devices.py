"""One CPU, 16-bit activations, or several devices: the same code, and 32-bit weights are kept."""

import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest

from vedette_train.config import TrainConfig
from vedette_train.models.architectures import cnn
from vedette_train.training.closed_form import build_features
from vedette_train.training.devices import convert_to_float32, select_strategy
from vedette_train.training.gradient_accumulation import AccumulatingModel


def test_without_a_second_device_nothing_is_mirrored() -> None:
    assert select_strategy([]).num_replicas_in_sync == 1


def test_a_network_of_32_bit_floats_is_kept_as_it_is() -> None:
    network = cnn(20, 20, 3)
    assert convert_to_float32(network) is network


def test_what_was_trained_in_16_bit_is_kept_in_32() -> None:
    images = np.random.default_rng(0).integers(0, 256, (64, 20, 20, 3), np.uint8)
    labels = (images.mean(axis=(1, 2, 3)) > 127).astype(int)
    keras.config.set_dtype_policy("mixed_float16")
    keras.utils.set_random_seed(1)
    try:
        network = cnn(20, 20, 2)
        model = AccumulatingModel(network, keras.optimizers.Adam(0.01))
        losses = model.fit(images, labels, epochs=4, verbose=0).history["loss"]
    finally:
        keras.config.set_dtype_policy("float32")
    assert losses[-1] < losses[0]
    kept = convert_to_float32(network)
    assert {layer.compute_dtype for layer in kept.layers} == {"float32"}
    assert kept.outputs[0].dtype == "float32"
    actual, expected = (one.predict(images, verbose=0) for one in (kept, network))
    np.testing.assert_allclose(actual, expected, atol=0.01)


def test_features_are_of_32_bit_whatever_trains() -> None:
    keras.config.set_dtype_policy("mixed_float16")
    try:
        features = build_features(TrainConfig(architecture="efficientnet_lite0_tiny", size=64))
        assert keras.config.dtype_policy().name == "mixed_float16"
    finally:
        keras.config.set_dtype_policy("float32")
    assert {layer.compute_dtype for layer in features.network.layers} == {"float32"}


MIRRORED = """
    import keras, numpy as np, tensorflow as tf
    cpu, = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

    from vedette_train.models.architectures import cnn
    from vedette_train.data.batches import Batches, Order
    from vedette_train.training.devices import convert_to_float32, select_strategy
    from vedette_train.training.gradient_accumulation import AccumulatingModel

    random = np.random.default_rng(0)
    images = random.integers(0, 256, (160, 20, 20, 3), np.uint8)
    labels = random.integers(0, 3, 160)

    def train(devices):
        keras.utils.set_random_seed(1)
        with select_strategy(devices).scope():
            network = cnn(20, 20, 3)
            model = AccumulatingModel(network, keras.optimizers.SGD(0.1))
            batches = Batches(
                lambda rows, _: images[rows], np.arange(160), labels, 80, Order(2)
            )
            history = model.fit(
                batches, validation_data=batches, epochs=2, shuffle=False, verbose=0
            ).history
        print(network.distribute_strategy.num_replicas_in_sync, history)
        return convert_to_float32(network), history

    two, two_history = train(tf.config.list_logical_devices("CPU"))
    one, one_history = train([])
    assert tf.distribute.get_strategy().num_replicas_in_sync == 1
    for ours, theirs in zip(two.get_weights(), one.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    for measure in one_history:
        np.testing.assert_allclose(two_history[measure], one_history[measure], rtol=1e-4)
    assert len(two.predict_on_batch(images[:5])) == 5

    # One picture more than a batch, or the other device would get none of the last.
    with select_strategy(tf.config.list_logical_devices("CPU")).scope():
        model = AccumulatingModel(cnn(20, 20, 3), keras.optimizers.SGD(0.1))
        few = Batches(lambda rows, _: images[rows], np.arange(81), labels[:81], 80, Order(2))
        loss = model.fit(few, epochs=2, shuffle=False, verbose=0).history["loss"]
    assert np.isfinite(loss).all()
    assert all(np.isfinite(weights).all() for weights in model.network.get_weights())
"""


@pytest.mark.slow
def test_two_devices_learn_what_one_learns() -> None:
    """Two CPUs of TensorFlow's stand for two GPUs; the devices must be made before it starts."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(MIRRORED)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.startswith("2 ")


@pytest.fixture(autouse=True)
def _plain_policy() -> None:
    assert keras.config.dtype_policy().name == "float32"
