"""What a run computes on: one CPU, one GPU, or several GPUs of one machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

from vedette_train.models.architectures import Model


def prepare_devices(seed: int) -> Any:
    """Make computation repeatable and, on GPUs, quick; gives the strategy to train in.

    Two runs with one seed on one machine give the same weights. With a GPU, activations are
    16-bit floats and weights stay 32-bit; with several, each takes its share of every batch.
    """
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)  # leave room for others
    keras.config.set_dtype_policy("mixed_float16" if gpus else "float32")
    return strategy(tf.config.list_logical_devices("GPU"))


def strategy(devices: list[Any]) -> Any:
    """MirroredStrategy over several devices; TensorFlow's own default for one or none."""
    names = [device.name for device in devices]
    return tf.distribute.MirroredStrategy(names) if len(names) > 1 else tf.distribute.get_strategy()


@contextmanager
def in_float32() -> Iterator[None]:
    """Make layers that compute in 32-bit floats, whatever the device."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def convert_to_float32(network: Model) -> Model:
    """The network as it is kept: all in 32-bit floats and in one place, whatever trained it."""
    if network.distribute_strategy.num_replicas_in_sync == 1 and not _is_mixed(network):
        return network

    def in_float32(layer: Any) -> Any:
        return type(layer).from_config(layer.get_config() | {"dtype": "float32"})

    kept = keras.models.clone_model(network, clone_function=in_float32)
    kept.set_weights(network.get_weights())
    return kept


def _is_mixed(network: Model) -> bool:
    return any(layer.compute_dtype != "float32" for layer in network.layers)
