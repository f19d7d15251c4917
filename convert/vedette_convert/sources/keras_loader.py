"""Keras models in files, of a run or external; no code that an external file brings is run."""

import json
import shutil
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import keras
import tensorflow as tf

from vedette_convert.errors import KerasFileError, RunFolderError
from vedette_convert.run import Model
from vedette_convert.sources.keras2_compat import convert_config
from vedette_convert.sources.keras_file import Config, read_config

SIGNATURE = "serving_default"

# Layers that are code, or load code.
_CODE = ("Lambda", "TFSMLayer", "TFOpLambda", "SlicingOpLambda")
_MODELS = ("Functional", "Model", "Sequential")
_AS_SAVED_MODEL = (
    "Load the model where it was trained, save it with model.export('FOLDER') "
    "(before Keras 2.13: model.save('FOLDER')) and convert that folder"
)


def load_run_model(path: Path) -> Model:
    """Load the Keras model of a run. Raises RunFolderError."""
    keras.backend.clear_session()  # it numbers layers: the same file must give the same names
    try:
        return keras.models.load_model(path, compile=False)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RunFolderError(f"{path}: not a valid Keras model ({error}). Train again") from error


def load_model(path: Path) -> Model:
    """Load an external .keras or .h5 file or SavedModel folder, of one input and one output.

    Files of Keras 2 are converted, and layers of mixed precision compute in float32. Raises
    KerasFileError for other files, for models that do not load or have more inputs or outputs,
    and for layers with code of their own, which is not run.
    """
    keras.backend.clear_session()  # it numbers layers: the same file must give the same names
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecations
            return _unwrap(_set_float32(_load(path)))
    except KerasFileError as error:
        raise KerasFileError(f"{path}: {error}") from error
    except Exception as error:  # Keras lets through any error of its layers
        reason = str(error).strip().splitlines()[:1]
        raise KerasFileError(
            f"{path}: does not load ({type(error).__name__}: {''.join(reason)[:300]}). "
            f"{_AS_SAVED_MODEL}"
        ) from error


def _load(path: Path) -> Model:
    if path.is_dir():
        return _load_saved_model(path)
    config, version = read_config(path)
    if not zipfile.is_zipfile(path):
        return _load_hdf5(path, config, version)
    if version.startswith("2"):
        raise KerasFileError(
            f"a .keras file of Keras {version}, which Keras 3 cannot read. Save it there as .h5"
        )
    _check_layers(config)
    with _copy_as("model.keras", path) as copy:
        return keras.models.load_model(copy, compile=False)


def _load_hdf5(path: Path, config: Config, version: str) -> Model:
    if version.startswith(("1", "2")):
        config = convert_config(config)
    _check_layers(config)
    with _copy_as("model.h5", path) as copy:
        with h5py.File(copy, "r+") as file:
            file.attrs["model_config"] = json.dumps(config)
        return keras.models.load_model(copy, compile=False)


@contextmanager
def _copy_as(name: str, path: Path) -> Iterator[Path]:
    """Copy a file for a while under another name: Keras goes by the suffix."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(shutil.copyfile(path, Path(folder, name)))


def _check_layers(config: Config) -> None:
    """Raise KerasFileError for layers with code that is not Keras' own."""
    foreign = sorted({name for name, module in _list_layers(config) if not _is_keras(name, module)})
    if foreign:
        raise KerasFileError(
            f"has layers whose code is not Keras' own: {', '.join(foreign)}. Vedette does not "
            f"run such code. {_AS_SAVED_MODEL}"
        )


def _list_layers(config: Config, within: bool = True) -> Iterator[tuple[str, str]]:
    """List class and module of each layer, and of nested ones."""
    if isinstance(config, list):
        for one in config:
            yield from _list_layers(one, within)
    elif isinstance(config, dict):
        name = config.get("class_name")
        if isinstance(name, str) and (within or name in _CODE):
            yield name, str(config.get("module") or "")
        for key, value in config.items():
            yield from _list_layers(value, key in ("layer", "layers"))


def _is_keras(name: str, module: str) -> bool:
    if name in _CODE:
        return False
    if module:
        return module.split(".")[0] == "keras"
    return name in _MODELS or hasattr(keras.layers, name)


def _set_float32(model: Model) -> Model:
    """Let all layers compute in float32: mixed precision is for training."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            _set_float32(layer)
        elif layer.compute_dtype != layer.variable_dtype:
            layer.dtype_policy = "float32"
    return model


def _unwrap(model: Model) -> Model:
    """Take the input and the output of a model out of lists and dicts."""
    if (len(model.inputs), len(model.outputs)) != (1, 1):
        takes = [tuple(one.shape) for one in model.inputs]
        gives = [tuple(one.shape) for one in model.outputs]
        raise KerasFileError(
            f"takes {takes} and gives {gives}, expected one picture and one list of scores. "
            "Save a model of these alone: keras.Model(picture, scores).save(...)"
        )
    return keras.Model(model.inputs[0], model.outputs[0])


class _Signature(keras.layers.TFSMLayer):  # type: ignore[misc]  # keras publishes no types
    """A SavedModel's signature; one for a single image is called for each image of a batch."""

    def call(self, images: Any) -> Any:
        (spec,) = self.call_endpoint_fn.structured_input_signature[1].values()
        if spec.shape[0] != 1 or images.shape[0] == 1:
            return self._compute_scores(images)
        return tf.map_fn(
            lambda one: self._compute_scores(one[tf.newaxis])[0],
            images,
            fn_output_signature=tf.float32,
        )

    def _compute_scores(self, images: Any) -> Any:
        (scores,) = super().call(images).values()
        return scores


def _load_saved_model(path: Path) -> Model:
    """Load the serving signature as a model of one layer, whose inside is hidden."""
    layer = _Signature(str(path), call_endpoint=SIGNATURE)
    _, inputs = layer.call_endpoint_fn.structured_input_signature
    outputs = layer.call_endpoint_fn.structured_outputs
    if (len(inputs), len(outputs)) != (1, 1):
        takes, gives = _format_shapes(inputs), _format_shapes(outputs)
        raise KerasFileError(
            f"its signature {SIGNATURE} takes {takes} and gives {gives}; "
            "expected one picture and one list of scores. Export it with these alone"
        )
    ((name, spec),) = inputs.items()
    image = keras.Input(spec.shape[1:], dtype=spec.dtype.name, name=name)
    return keras.Model(image, layer(image))


def _format_shapes(specs: dict[str, Any]) -> str:
    shapes = (f"{name} {tuple(spec.shape)}" for name, spec in sorted(specs.items()))
    return ", ".join(shapes) or "nothing"
