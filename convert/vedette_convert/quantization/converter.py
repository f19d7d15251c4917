"""A Keras model and calibration pictures become the bytes of a .tflite graph."""

import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.lite.python.convert_phase import ConverterError

from vedette_convert.errors import ConversionError
from vedette_convert.quantization.scheme import INT8, Scheme
from vedette_convert.run import Model
from vedette_edge.images.preprocessing import Image

# quantization -> the converter's name for the kernels that it must find
_KERNELS: Mapping[str, str] = MappingProxyType(
    {
        "int8": "TFLITE_BUILTINS_INT8",
        "int16x8": "EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8",
    }
)


def quantize(
    model: Model,
    calibration: Sequence[Image],
    scheme: Scheme = INT8,
    advance: Callable[[], None] = lambda: None,
) -> bytes:
    """A graph for one picture at a time, whose input takes the bytes of R, G and B.

    int8: uint8 in and out, the input with scale 1 and zero point 0, so that bytes go in as they
    are. Any other scheme: float32 in, 0..255, and float32 out, 0..1. `calibration` are prepared
    pictures, uint8, which set the ranges of integer activations; `advance` is called after each.
    Raises ConversionError where TensorFlow has no way to such a graph.
    """
    if scheme.calibrated and not len(calibration):
        raise ConversionError("no pictures to calibrate with; expected some of the training part")
    _check_room(model)
    converter = _converter(model, scheme)
    if scheme.calibrated:
        converter.representative_dataset = lambda: _representative(calibration, advance)
    try:
        return bytes(converter.convert())
    except ConverterError as error:
        raise ConversionError(_why_not(error)) from error
    except RuntimeError as error:  # of operations that the quantizer does not know
        raise ConversionError(
            f"{scheme.quantization}: TensorFlow cannot quantize the model so "
            f"({str(error).strip().splitlines()[0]}). Choose another --quantization"
        ) from error


def _check_room(model: Model) -> None:
    """Raise ConversionError where TensorFlow cannot write what it converts from."""
    folder, needed = tempfile.gettempdir(), 8 * model.count_params()  # bytes
    if shutil.disk_usage(folder).free < needed:
        raise ConversionError(
            f"{folder}: has no room for the {needed / 1e6:.0f} MB that conversion takes meanwhile. "
            "Make room, or name another folder with the environment variable TMPDIR"
        )


def _why_not(error: ConverterError) -> str:
    operations = sorted(set(re.findall(r"\btf\.[A-Z]\w*", str(error))))
    return (
        "TensorFlow cannot turn the model into TFLite's operations"
        f"{' because of ' if operations else ''}{', '.join(operations)}. "
        "Build it without what needs them; the .log beside the model file has all that was said"
    )


def _converter(model: Model, scheme: Scheme) -> Any:
    """TensorFlow's converter, set as the scheme wants it."""
    converter = tf.lite.TFLiteConverter.from_keras_model(_one_at_a_time(model))
    if scheme.quantization != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if scheme.quantization == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if scheme.calibrated:
        kernels = getattr(tf.lite.OpsSet, _KERNELS[scheme.quantization])
        converter.target_spec.supported_ops = [kernels]
    if scheme.quantization == "int8":
        converter.inference_input_type = converter.inference_output_type = tf.uint8
    converter._experimental_disable_per_channel_quantization_for_dense_layers = (
        not scheme.dense_per_channel
    )
    return converter


def _one_at_a_time(model: Model) -> Model:
    """The same model for a batch of exactly one, which the delegate takes as a whole."""
    picture = keras.Input(batch_shape=(1, *model.input_shape[1:]), name="picture")
    # Named, since Keras would number it, and the next graph would have other names in it.
    return keras.Model(picture, model(picture), name="one_at_a_time")


def _representative(
    calibration: Sequence[Image], advance: Callable[[], None]
) -> Iterator[list[Any]]:
    """Float batches of one. The first spans all of 0..255, so that the input's scale is 1."""
    for number, prepared in enumerate(calibration):
        batch = prepared[np.newaxis].astype(np.float32)
        if number == 0:
            batch[0, 0, 0], batch[0, -1, -1] = 0, 255
        yield [batch]
        advance()
