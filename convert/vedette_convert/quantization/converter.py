"""Quantization of a Keras model, with calibration images, to the bytes of a .tflite graph."""

import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.lite.python.convert_phase import ConverterError

from vedette_convert.errors import ConversionError
from vedette_convert.quantization.scheme import INT8, Scheme
from vedette_convert.quantization.serialization import SCOPE
from vedette_convert.run import Advance, Model
from vedette_edge.images.preprocessing import Image

# quantization -> the converter's name for the kernels that it may use
_KERNELS = {
    "int8": "TFLITE_BUILTINS_INT8",
    "int16x8": "EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8",
}


def quantize(
    model: Model,
    calibration: Sequence[Image],
    scheme: Scheme = INT8,
    advance: Advance = lambda: None,
) -> bytes:
    """Quantize a model to a graph for one image at a time, which takes R, G and B as bytes.

    int8: uint8 in and out, the input with scale 1 and zero point 0, so that bytes go in
    unchanged. Any other scheme: float32 in, 0..255, and float32 out, 0..1. `calibration` are
    preprocessed images, uint8, which set the ranges of integer activations; `advance` is called
    after each. Raises ConversionError if TensorFlow cannot build such a graph.
    """
    if scheme.calibrated and not len(calibration):
        raise ConversionError("no pictures to calibrate with; expected some of the training part")
    _check_disk_space(model)
    converter = _configure_converter(model, scheme)
    if scheme.calibrated:
        converter.representative_dataset = lambda: _feed_calibration(calibration, advance)
    try:
        return bytes(converter.convert())
    except ConverterError as error:
        raise ConversionError(_explain(error)) from error
    except RuntimeError as error:  # for operations that the quantizer does not know
        raise ConversionError(
            f"{scheme.quantization}: TensorFlow cannot quantize this model "
            f"({str(error).strip().splitlines()[0]}). Choose another --quantization"
        ) from error


def _check_disk_space(model: Model) -> None:
    """Raise ConversionError if the temporary folder cannot hold the converter's input."""
    folder, needed = tempfile.gettempdir(), 8 * model.count_params()  # bytes
    if shutil.disk_usage(folder).free < needed:
        raise ConversionError(
            f"{folder}: conversion needs {needed / 1e6:.0f} MB of free space for a while. "
            "Make room, or name another folder with the environment variable TMPDIR"
        )


def _explain(error: ConverterError) -> str:
    operations = sorted(set(re.findall(r"\btf\.[A-Z]\w*", str(error))))
    return (
        "TensorFlow cannot convert the model to TFLite's operations"
        f"{' because of ' if operations else ''}{', '.join(operations)}. "
        "Build it without them; the .log beside the model file has all of TensorFlow's messages"
    )


def _configure_converter(model: Model, scheme: Scheme) -> Any:
    converter = _trace(model)
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


def _trace(model: Model) -> Any:
    """Trace a model for one image at a time, so that the delegate takes the whole graph.

    `from_keras_model` gives the same graph in twice the time: Keras' export traces the model
    several times.
    """
    shape = (1, *model.input_shape[1:])

    @tf.function(input_signature=[tf.TensorSpec(shape, name="picture")])  # type: ignore[untyped-decorator]
    def classify(picture: Any) -> Any:
        with tf.name_scope(SCOPE):
            return model(picture, training=False)

    module = tf.Module()
    module.weights = [weight.value for weight in model.weights]
    concrete = [classify.get_concrete_function()]
    return tf.lite.TFLiteConverter.from_concrete_functions(concrete, module)


def _feed_calibration(calibration: Sequence[Image], advance: Advance) -> Iterator[list[Any]]:
    """Yield float batches of one. The first spans all of 0..255, so that the input's scale is 1."""
    for number, prepared in enumerate(calibration):
        batch = prepared[np.newaxis].astype(np.float32)
        if number == 0:
            batch[0, 0, 0], batch[0, -1, -1] = 0, 255
        yield [batch]
        advance()
