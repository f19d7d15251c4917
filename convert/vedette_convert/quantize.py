"""A Keras model and calibration pictures become the bytes of an int8 .tflite graph."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from vedette_convert.errors import ConversionError, RunFolderError
from vedette_edge.prepare import Picture

# keras and tensorflow publish no types
Model = Any


def load(path: Path) -> Model:
    """The Keras model in a file. Raises RunFolderError if there is none in it."""
    keras.backend.clear_session()  # layers are numbered; the same file shall give the same names
    try:
        return keras.models.load_model(path, compile=False)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RunFolderError(
            f"{path}: is no Keras model that loads ({error}). Train again"
        ) from error


def quantize(model: Model, calibration: Sequence[Picture]) -> bytes:
    """Full-integer int8, uint8 in and out, for one picture at a time.

    `calibration` are prepared pictures, uint8. The input tensor has scale 1 and zero point 0,
    so that raw bytes go in. Dense layers are quantized per tensor, since tflite-runtime 2.14
    on Arm crashes where they are per channel.
    """
    if not len(calibration):
        raise ConversionError("no pictures to calibrate with; expected some of the training part")
    converter = tf.lite.TFLiteConverter.from_keras_model(_one_at_a_time(model))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: _representative(calibration)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.uint8
    converter.inference_output_type = tf.uint8
    converter._experimental_disable_per_channel_quantization_for_dense_layers = True
    return bytes(converter.convert())


def _one_at_a_time(model: Model) -> Model:
    """The same model for a batch of exactly one, which the delegate takes as a whole."""
    picture = keras.Input(batch_shape=(1, *model.input_shape[1:]), name="picture")
    return keras.Model(picture, model(picture))


def _representative(calibration: Sequence[Picture]) -> Iterator[list[Any]]:
    """Float batches of one. The first spans all of 0..255, so that the input's scale is 1."""
    for number, prepared in enumerate(calibration):
        batch = prepared[np.newaxis].astype(np.float32)
        if number == 0:
            batch[0, 0, 0], batch[0, -1, -1] = 0, 255
        yield [batch]
