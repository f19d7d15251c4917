"""Devices of a run: one CPU, one GPU, or several GPUs of one machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

from vedette_train.models.architectures import Model


def prepare_devices(seed: int) -> Any:
    """Make computation repeatable and, on GPUs, fast. Returns the strategy to train with.

    Two runs with the same seed on the same machine give the same weights. On a GPU, activations
    are 16-bit floats and weights 32-bit; several GPUs share every batch.
    """
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)  # leave memory for others
    keras.config.set_dtype_policy("mixed_float16" if gpus else "float32")
    return select_strategy(tf.config.list_logical_devices("GPU"))


def select_strategy(devices: list[Any]) -> Any:
    """MirroredStrategy for several devices, TensorFlow's default strategy for one or none."""
    names = [device.name for device in devices]
    return tf.distribute.MirroredStrategy(names) if len(names) > 1 else tf.distribute.get_strategy()


@contextmanager
def use_float32() -> Iterator[None]:
    """Create layers that compute in 32-bit floats, on any device."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def convert_to_float32(network: Model) -> Model:
    """The network in 32-bit floats on one device; unchanged if it is so already."""
    mixed = any(layer.compute_dtype != "float32" for layer in network.layers)
    if network.distribute_strategy.num_replicas_in_sync == 1 and not mixed:
        return network

    def copy_layer(layer: Any) -> Any:
        return type(layer).from_config(layer.get_config() | {"dtype": "float32"})

    copy = keras.models.clone_model(network, clone_function=copy_layer)
    copy.set_weights(network.get_weights())
    return copy
