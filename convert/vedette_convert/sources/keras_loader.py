"""A model that was saved elsewhere, loaded without running any code that it brings."""

import json
import shutil
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import keras
import tensorflow as tf

from vedette_convert.errors import KerasFileError, RunFolderError
from vedette_convert.run import Model
from vedette_convert.sources.keras2_compat import Config, modern

SIGNATURE = "serving_default"
LARGEST_MEMBER_BYTES = 64 << 20  # of a .keras file's texts, unpacked

# Layers that are code, or load it from elsewhere.
_CODE = ("Lambda", "TFSMLayer", "TFOpLambda", "SlicingOpLambda")
_MODELS = ("Functional", "Model", "Sequential")
_AS_SAVED_MODEL = (
    "Load the model where it was trained, save it with model.export('FOLDER') "
    "(before Keras 2.13: model.save('FOLDER')) and give that folder"
)


def load(path: Path) -> keras.Model:
    """The model in a .keras or .h5 file or a SavedModel folder: of one input and one output.

    Files of Keras 2 are translated, and layers of mixed precision compute in float32. Raises
    KerasFileError for what is none of these, does not load, takes or gives more than one tensor,
    or holds layers whose code is not Keras' own: such code is not run.
    """
    keras.backend.clear_session()  # layers are numbered; the same file shall give the same names
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what is deprecated
            return _of_one(_in_float32(_load(path)))
    except KerasFileError as error:
        raise KerasFileError(f"{path}: {error}") from error
    except Exception as error:  # Keras lets through whatever its layers raise
        reason = str(error).strip().splitlines()[:1]
        raise KerasFileError(
            f"{path}: does not load ({type(error).__name__}: {''.join(reason)[:300]}). "
            f"{_AS_SAVED_MODEL}"
        ) from error


def _load(path: Path) -> keras.Model:
    if path.is_dir():
        return _saved_model(path)
    if h5py.is_hdf5(path):
        return _hdf5(path)
    if zipfile.is_zipfile(path):
        return _zip(path)
    raise KerasFileError(
        "is no Keras model; expected a .keras or .h5 file, or the folder of a SavedModel"
    )


def _hdf5(path: Path) -> keras.Model:
    with h5py.File(path) as file:
        text = file.attrs.get("model_config")
        version = str(file.attrs.get("keras_version", "1"))
    if text is None:
        raise KerasFileError(
            "holds weights without a model. Save it where it was trained with model.save, "
            "not save_weights"
        )
    config = json.loads(text)
    if version.startswith(("1", "2")):
        config = modern(config)
    _check_layers(config)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "model.h5")  # Keras goes by the ending
        shutil.copyfile(path, copy)
        with h5py.File(copy, "r+") as file:
            file.attrs["model_config"] = json.dumps(config)
        return keras.models.load_model(copy, compile=False)


def _unpacked(archive: zipfile.ZipFile, name: str) -> bytes:
    with archive.open(name) as member:
        data = member.read(LARGEST_MEMBER_BYTES + 1)
    if len(data) > LARGEST_MEMBER_BYTES:
        raise KerasFileError(f"its {name} is larger than {LARGEST_MEMBER_BYTES >> 20} MiB")
    return data


def _zip(path: Path) -> keras.Model:
    with zipfile.ZipFile(path) as archive:
        if "config.json" not in archive.namelist():
            raise KerasFileError("is a zip without a Keras model in it")
        config = json.loads(_unpacked(archive, "config.json"))
        version = json.loads(_unpacked(archive, "metadata.json")).get("keras_version", "")
    if str(version).startswith("2"):
        raise KerasFileError(
            f"is a .keras file of Keras {version}, which Keras 3 cannot read. Save it there as .h5"
        )
    _check_layers(config)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "model.keras")
        shutil.copyfile(path, copy)
        return keras.models.load_model(copy, compile=False)


def _check_layers(config: Config) -> None:
    """Raise KerasFileError for layers whose code is in no file, or is in this one."""
    foreign = sorted({name for name, module in _layers(config) if not _is_keras(name, module)})
    if foreign:
        raise KerasFileError(
            f"holds layers whose code is not Keras' own: {', '.join(foreign)}. Such code is not "
            f"run. {_AS_SAVED_MODEL}"
        )


def _layers(config: Config, within: bool = True) -> Iterator[tuple[str, str]]:
    """Class and module of each layer, of those within others too."""
    if isinstance(config, list):
        for one in config:
            yield from _layers(one, within)
    elif isinstance(config, dict):
        name = config.get("class_name")
        if isinstance(name, str) and (within or name in _CODE):
            yield name, str(config.get("module") or "")
        for key, value in config.items():
            yield from _layers(value, key in ("layer", "layers"))


def _is_keras(name: str, module: str) -> bool:
    if name in _CODE:
        return False
    if module:
        return module.split(".")[0] == "keras"
    return name in _MODELS or hasattr(keras.layers, name)


def _in_float32(model: keras.Model) -> keras.Model:
    """The model itself, once its layers compute in float32: float16 is for training."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            _in_float32(layer)
        elif layer.compute_dtype != layer.variable_dtype:
            layer.dtype_policy = "float32"
    return model


def _of_one(model: keras.Model) -> keras.Model:
    """The same with its input and its output out of what they were wrapped in, a dict maybe."""
    if (len(model.inputs), len(model.outputs)) != (1, 1):
        taken, given = (
            [tuple(one.shape) for one in ends] for ends in (model.inputs, model.outputs)
        )
        raise KerasFileError(
            f"takes {taken} and gives {given}, expected one picture and one list of scores. "
            "Save a model of these alone: keras.Model(picture, scores).save(...)"
        )
    return keras.Model(model.inputs[0], model.outputs[0])


class _Signature(keras.layers.TFSMLayer):  # type: ignore[misc]  # keras publishes no types
    """A SavedModel's signature; one for a single picture is given several one by one."""

    def call(self, pictures: Any) -> Any:
        (taken,) = self.call_endpoint_fn.structured_input_signature[1].values()
        if taken.shape[0] != 1 or pictures.shape[0] == 1:
            return self._scores(pictures)
        return tf.map_fn(
            lambda one: self._scores(one[tf.newaxis])[0], pictures, fn_output_signature=tf.float32
        )

    def _scores(self, pictures: Any) -> Any:
        (scores,) = super().call(pictures).values()
        return scores


def _saved_model(path: Path) -> keras.Model:
    """The signature for serving as a model of one layer, whose inside cannot be seen."""
    layer = _Signature(str(path), call_endpoint=SIGNATURE)
    _, inputs = layer.call_endpoint_fn.structured_input_signature
    outputs = layer.call_endpoint_fn.structured_outputs
    if (len(inputs), len(outputs)) != (1, 1):
        raise KerasFileError(
            f"its signature {SIGNATURE} takes {_shapes(inputs)} and gives {_shapes(outputs)}; "
            "expected one picture and one list of scores. Export it with these alone"
        )
    ((name, spec),) = inputs.items()
    picture = keras.Input(spec.shape[1:], dtype=spec.dtype.name, name=name)
    return keras.Model(picture, layer(picture))


def _shapes(specs: dict[str, Any]) -> str:
    return (
        ", ".join(f"{name} {tuple(spec.shape)}" for name, spec in sorted(specs.items()))
        or "nothing"
    )


def load_keras_model(path: Path) -> Model:
    """The Keras model in a file. Raises RunFolderError if there is none in it."""
    keras.backend.clear_session()  # layers are numbered; the same file shall give the same names
    try:
        return keras.models.load_model(path, compile=False)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RunFolderError(
            f"{path}: is no Keras model that loads ({error}). Train again"
        ) from error
