"""External models load, and give the scores that they gave to their authors."""

import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from vedette_convert.errors import KerasFileError
from vedette_convert.sources.keras_loader import load_model
from vedette_convert.sources.normalisation_detection import detect_normalisation

SIDE = 32
PICTURES = np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE, 3)).astype(np.float32)


def build_network() -> Any:
    return keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 3)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(8, 5, strides=3, activation="relu"),
            layers.GlobalMaxPooling2D(),
            layers.Dense(3, activation="softmax"),
        ]
    )


def save(model: Any, path: Path) -> Path:
    model.save(path)
    return path


def check_says_the_same(loaded: Any, model: Any, within: float = 1e-6) -> None:
    expected = np.concatenate([model.predict_on_batch(one[np.newaxis]) for one in PICTURES])
    np.testing.assert_allclose(loaded.predict_on_batch(PICTURES), expected, atol=within)


def save_as_keras_2(model: Any, path: Path) -> Path:
    """Save a file as Keras 2.12 did: Teachable Machine's exports look like this."""
    model.save(path)
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        file.attrs["model_config"] = json.dumps(convert_to_keras_2(config))
        file.attrs["keras_version"] = "2.12.0"
    return path


def convert_to_keras_2(config: Any) -> Any:
    if isinstance(config, list):
        return [convert_to_keras_2(one) for one in config]
    if not isinstance(config, dict):
        return "a/conv" if config == "conv" else config  # Keras 3 has no names like that
    dropped = ("registered_name", "build_config")
    changed = {
        key: convert_to_keras_2(value) for key, value in config.items() if key not in dropped
    }
    if changed.get("class_name") == "DTypePolicy":
        return "float32"
    if changed.get("class_name") == "Functional":
        changed["module"] = "keras.engine.functional"
    if "batch_shape" in changed:
        changed["batch_input_shape"] = changed.pop("batch_shape")
    for key in {"input_layers", "output_layers"} & changed.keys():
        changed[key] = [changed[key]]
    if changed.get("inbound_nodes"):
        ((node,),) = (one["args"] for one in changed["inbound_nodes"])
        changed["inbound_nodes"] = [[[*node["config"]["keras_history"], {}]]]
    return changed | list_old_settings(changed.get("class_name", ""), changed.get("config"))


def list_old_settings(class_name: str, config: Any) -> dict[str, Any]:
    """List settings that Keras 3 does not know, or knows in another form."""
    if class_name == "DepthwiseConv2D":
        return {"config": config | {"groups": 1}}
    if class_name == "BatchNormalization":
        return {"config": config | {"axis": [3], "renorm": False}}
    if class_name == "Rescaling":  # what arithmetic between layers was
        name = config["name"]
        return {"class_name": "TFOpLambda", "config": {"name": name, "function": "math.truediv"}}
    return {}


def test_teachable_machine_s_export_says_the_same(tmp_path: Path) -> None:
    taken = keras.Input((SIDE, SIDE, 3))
    maps = layers.Conv2D(8, 5, strides=3, activation="relu", name="conv")(taken)
    maps = layers.BatchNormalization()(layers.DepthwiseConv2D(3)(maps))
    base = keras.Model(taken, maps)
    base.trainable = False  # which orders its weights in another way
    whole = keras.Sequential([
        keras.Sequential([base, layers.GlobalAveragePooling2D()]),
        keras.Sequential([keras.Input((8,)), layers.Dense(3, activation="softmax")]),
    ])  # fmt: skip
    check_says_the_same(load_model(save_as_keras_2(whole, tmp_path / "keras_model.h5")), whole)


def test_arithmetic_of_keras_2_is_translated_and_other_operations_are_refused(
    tmp_path: Path,
) -> None:
    taken = keras.Input((SIDE, SIDE, 3))
    scaled = layers.Rescaling(1 / 255, name="tf.math.truediv")(taken)
    scores = layers.Dense(3, activation="softmax")(layers.Flatten()(scaled))
    path = save_as_keras_2(keras.Model(taken, scores), tmp_path / "model.h5")
    for divisor, name in ((255.0, "unit"), ([255.0, 255.0, 255.0], "unit"), (128.0, "own")):
        own = detect_normalisation(load_model(divide_by(path, divisor)))
        assert own is not None
        assert own.name == name
    with pytest.raises(KerasFileError, match="TFOpLambda"):
        load_model(divide_by(path, ["flatten", 0, 0]))


def divide_by(path: Path, divisor: Any) -> Path:
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        config["config"]["layers"][1]["inbound_nodes"] = [
            [config["config"]["layers"][0]["name"], 0, 0, {"y": divisor, "name": None}]
        ]
        file.attrs["model_config"] = json.dumps(config)
    return path


def export(
    net: Any, folder: Path, *names: str, batch: int | None = None, dtype: str = "float32"
) -> Path:
    """Export a SavedModel whose signature gives the net's scores under each of the names."""
    spec = tf.TensorSpec((batch, SIDE, SIDE, 3), dtype, name="picture")

    def serve(x: Any) -> dict[str, Any]:
        return {name: net(tf.cast(x, tf.float32)) for name in names}

    module = tf.Module()
    module.kept = net.variables
    tf.saved_model.save(module, str(folder), tf.function(serve, input_signature=[spec]))
    return folder


@pytest.mark.parametrize(("batch", "dtype"), [(None, "uint8"), (1, "float32")])
def test_a_saved_model_may_take_bytes_or_one_picture_at_a_time(
    batch: int | None, dtype: str, tmp_path: Path
) -> None:
    model = build_network()
    folder = export(model, tmp_path / "saved", "scores", batch=batch, dtype=dtype)
    check_says_the_same(load_model(folder), model)


def test_more_than_one_input_or_output_is_refused_and_a_dict_of_one_is_none(
    tmp_path: Path,
) -> None:
    net, taken = build_network(), keras.Input((SIDE, SIDE, 3))
    with pytest.raises(KerasFileError, match=r"a \(None, 3\), b \(None, 3\)"):
        load_model(export(net, tmp_path / "two", "a", "b"))
    two = keras.Model(taken, {"a": net(taken), "b": layers.Flatten()(taken)})
    with pytest.raises(KerasFileError, match=r"takes \[\(None, 32, 32, 3\)\] and gives .*3072"):
        load_model(save(two, tmp_path / "two.keras"))
    one = keras.Model(taken, {"a": net(taken)})
    check_says_the_same(load_model(save(one, tmp_path / "one.keras")), net)


def test_a_keras_file_that_h5py_takes_for_hdf5_is_loaded(tmp_path: Path) -> None:
    """HDF5 may begin at byte 512, 1024, 2048 ..., and so may the weights within the zip."""
    net, path = build_network(), tmp_path / "aligned.keras"
    with zipfile.ZipFile(save(net, tmp_path / "usual.keras")) as usual:
        members = {name: usual.read(name) for name in usual.namelist()}
    weights = "model.weights.h5"
    headers = 2 * 30 + len("padding") + len(weights)
    with zipfile.ZipFile(path, "w") as aligned:
        aligned.writestr("padding", bytes(2048 - headers))
        for name in (weights, *sorted(members.keys() - {weights})):
            aligned.writestr(name, members[name])
    assert h5py.is_hdf5(path)
    check_says_the_same(load_model(path), net)


def test_a_fixed_batch_is_any_batch_and_mixed_precision_is_float32(tmp_path: Path) -> None:
    taken = keras.Input(batch_shape=(1, SIDE, SIDE, 3))
    single = keras.Model(taken, build_network()(taken))
    check_says_the_same(load_model(save(single, tmp_path / "single.keras")), single)
    keras.config.set_dtype_policy("mixed_float16")
    try:
        mixed = build_network()
    finally:
        keras.config.set_dtype_policy("float32")
    loaded = load_model(save(mixed, tmp_path / "mixed.keras"))
    assert {layer.compute_dtype for layer in loaded.layers} == {"float32"}
    check_says_the_same(loaded, mixed, within=0.01)


def test_a_layer_that_is_code_is_refused(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((SIDE,)), layers.Lambda(lambda x: x / 255)])
    for name in ("model.keras", "model.h5"):
        with pytest.raises(KerasFileError, match=r"Lambda.*model\.export"):
            load_model(save(model, tmp_path / name))


def test_a_text_that_unpacks_without_end_fills_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "bomb.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", bytes(65 << 20))
    with pytest.raises(KerasFileError, match=r"config\.json is larger than 64 MiB"):
        load_model(path)
