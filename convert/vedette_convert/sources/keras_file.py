"""The description of a model in a Keras file, read without TensorFlow, which starts slowly."""

import json
import zipfile
from pathlib import Path
from typing import Any

import h5py

from vedette_convert.errors import KerasFileError
from vedette_convert.run import ExternalModel
from vedette_edge.model.labels import read_labels

LARGEST_MEMBER_BYTES = 64 << 20  # of a .keras file's JSON, unpacked
SHAPE_KEEPING = ("Activation", "Dropout", "Softmax")  # layers with as many outputs as inputs

Config = Any  # parsed JSON


def check_external_model(model: ExternalModel) -> None:
    """Raise KerasFileError for a file without a model, or labels that cannot be those of its model.

    Raises LabelsError for the file of labels. Passes a model whose outputs only Keras can count.
    """
    path, file = Path(model.path), Path(model.labels)
    labels = read_labels(file)
    try:
        outputs = None if path.is_dir() else count_outputs(read_config(path)[0])
    except KerasFileError as error:
        raise KerasFileError(f"{path}: {error}") from error
    except Exception:  # whatever is wrong with the file, loading it tells
        return
    if outputs not in (None, 1, len(labels)):
        raise KerasFileError(f"{path}: {explain_count(outputs, labels, file)}")


def explain_count(outputs: int | None, labels: tuple[str, ...], file: Path) -> str:
    """Explain a difference between the numbers of outputs and of labels."""
    return (
        f"gives {outputs} scores, but {file} has {len(labels)} labels: expected one for each "
        "score, a line each, in the order of the model's outputs"
    )


def read_config(path: Path) -> tuple[Config, str]:
    """Read a model's configuration, and the version of Keras that wrote it.

    Raises KerasFileError for a file without a model, and other errors for a damaged one.
    """
    if zipfile.is_zipfile(path):  # first: h5py may find the weights in the zip, which are HDF5
        return _read_zip(path)
    if h5py.is_hdf5(path):
        return _read_hdf5(path)
    raise KerasFileError(
        "not a Keras model; expected a .keras or .h5 file, or the folder of a SavedModel"
    )


def count_outputs(model: Config) -> int | None:
    """Count the outputs of a configured model; None if that takes Keras."""
    config = model["config"]
    layers = config if isinstance(config, list) else config["layers"]
    if "output_layers" in config:
        first = config["output_layers"][0]  # a name, or a list that begins with it
        name = first[0] if isinstance(first, list) else first
        layers = [layer for layer in layers if layer["config"]["name"] == name]
    for layer in reversed(layers):
        if "layers" in layer["config"]:
            return count_outputs(layer)
        units = layer["config"].get("units") or _find_width(layer)
        if units or layer["class_name"] not in SHAPE_KEEPING:
            return units if isinstance(units, int) else None
    return None


def _find_width(layer: Config) -> object:
    """Find the last dimension of what goes into a layer that keeps shapes; None if not stated."""
    if layer["class_name"] not in SHAPE_KEEPING:
        return None
    try:
        return layer["inbound_nodes"][0]["args"][0]["config"]["shape"][-1]
    except (KeyError, IndexError, TypeError):
        return None


def _read_hdf5(path: Path) -> tuple[Config, str]:
    with h5py.File(path) as file:
        text = file.attrs.get("model_config")
        version = str(file.attrs.get("keras_version", "1"))
    if text is None:
        raise KerasFileError(
            "has weights, but no model. Save it where it was trained with model.save, "
            "not save_weights"
        )
    return json.loads(text), version


def _read_zip(path: Path) -> tuple[Config, str]:
    with zipfile.ZipFile(path) as archive:
        if "config.json" not in archive.namelist():
            raise KerasFileError("a zip file without a Keras model")
        config = json.loads(_unpack(archive, "config.json"))
        version = json.loads(_unpack(archive, "metadata.json")).get("keras_version", "")
    return config, str(version)


def _unpack(archive: zipfile.ZipFile, name: str) -> bytes:
    with archive.open(name) as member:
        data = member.read(LARGEST_MEMBER_BYTES + 1)
    if len(data) > LARGEST_MEMBER_BYTES:
        raise KerasFileError(f"its {name} is larger than {LARGEST_MEMBER_BYTES >> 20} MiB")
    return data
