"""Models that were saved elsewhere load, and say what they said there."""

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


def network() -> Any:
    return keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 3)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(8, 5, strides=3, activation="relu"),
            layers.GlobalMaxPooling2D(),
            layers.Dense(3, activation="softmax"),
        ]
    )


def saved(model: Any, path: Path) -> Path:
    model.save(path)
    return path


def check_says_the_same(loaded: Any, model: Any, within: float = 1e-6) -> None:
    expected = np.concatenate([model.predict_on_batch(one[np.newaxis]) for one in PICTURES])
    np.testing.assert_allclose(loaded.predict_on_batch(PICTURES), expected, atol=within)


def keras_2_h5(model: Any, path: Path) -> Path:
    """The file as Keras 2.12 wrote it: Teachable Machine's exports look like this."""
    model.save(path)
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        file.attrs["model_config"] = json.dumps(as_keras_2(config))
        file.attrs["keras_version"] = "2.12.0"
    return path


def as_keras_2(config: Any) -> Any:
    if isinstance(config, list):
        return [as_keras_2(one) for one in config]
    if not isinstance(config, dict):
        return "a/conv" if config == "conv" else config  # Keras 3 has no names like that
    dropped = ("registered_name", "build_config")
    made = {key: as_keras_2(value) for key, value in config.items() if key not in dropped}
    if made.get("class_name") == "DTypePolicy":
        return "float32"
    if made.get("class_name") == "Functional":
        made["module"] = "keras.engine.functional"
    if "batch_shape" in made:
        made["batch_input_shape"] = made.pop("batch_shape")
    for key in {"input_layers", "output_layers"} & made.keys():
        made[key] = [made[key]]
    if made.get("inbound_nodes"):
        ((node,),) = (one["args"] for one in made["inbound_nodes"])
        made["inbound_nodes"] = [[[*node["config"]["keras_history"], {}]]]
    return made | old_settings(made.get("class_name", ""), made.get("config"))


def old_settings(class_name: str, config: Any) -> dict[str, Any]:
    """Settings that Keras 3 does not know any more, or knows in another form."""
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
    check_says_the_same(load_model(keras_2_h5(whole, tmp_path / "keras_model.h5")), whole)


def test_arithmetic_of_keras_2_is_translated_and_other_operations_are_refused(
    tmp_path: Path,
) -> None:
    taken = keras.Input((SIDE, SIDE, 3))
    scaled = layers.Rescaling(1 / 255, name="tf.math.truediv")(taken)
    scores = layers.Dense(3, activation="softmax")(layers.Flatten()(scaled))
    path = keras_2_h5(keras.Model(taken, scores), tmp_path / "model.h5")
    for divisor, name in ((255.0, "unit"), ([255.0, 255.0, 255.0], "unit"), (128.0, "own")):
        found = detect_normalisation(load_model(divided_by(path, divisor)))
        assert found is not None
        assert found.name == name
    with pytest.raises(KerasFileError, match="code is not Keras' own: TFOpLambda"):
        load_model(divided_by(path, ["flatten", 0, 0]))


def divided_by(path: Path, divisor: Any) -> Path:
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        config["config"]["layers"][1]["inbound_nodes"] = [
            [config["config"]["layers"][0]["name"], 0, 0, {"y": divisor, "name": None}]
        ]
        file.attrs["model_config"] = json.dumps(config)
    return path


def exported(
    net: Any, folder: Path, *names: str, batch: int | None = None, dtype: str = "float32"
) -> Path:
    """A SavedModel whose signature gives the net's scores under each of the names."""
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
    model = network()
    folder = exported(model, tmp_path / "saved", "scores", batch=batch, dtype=dtype)
    check_says_the_same(load_model(folder), model)


def test_more_than_one_input_or_output_is_refused_and_a_dict_of_one_is_none(
    tmp_path: Path,
) -> None:
    net, taken = network(), keras.Input((SIDE, SIDE, 3))
    with pytest.raises(KerasFileError, match=r"gives a \(None, 3\), b \(None, 3\)"):
        load_model(exported(net, tmp_path / "two", "a", "b"))
    two = keras.Model(taken, {"a": net(taken), "b": layers.Flatten()(taken)})
    with pytest.raises(KerasFileError, match=r"takes \[\(None, 32, 32, 3\)\] and gives .*3072"):
        load_model(saved(two, tmp_path / "two.keras"))
    one = keras.Model(taken, {"a": net(taken)})
    check_says_the_same(load_model(saved(one, tmp_path / "one.keras")), net)


def test_a_fixed_batch_is_any_batch_and_mixed_precision_is_float32(tmp_path: Path) -> None:
    taken = keras.Input(batch_shape=(1, SIDE, SIDE, 3))
    single = keras.Model(taken, network()(taken))
    check_says_the_same(load_model(saved(single, tmp_path / "single.keras")), single)
    keras.config.set_dtype_policy("mixed_float16")
    try:
        mixed = network()
    finally:
        keras.config.set_dtype_policy("float32")
    found = load_model(saved(mixed, tmp_path / "mixed.keras"))
    assert {layer.compute_dtype for layer in found.layers} == {"float32"}
    check_says_the_same(found, mixed, within=0.01)


def test_a_layer_that_is_code_is_refused(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((SIDE,)), layers.Lambda(lambda x: x / 255)])
    for name in ("model.keras", "model.h5"):
        with pytest.raises(KerasFileError, match=r"own: Lambda. .*model\.export"):
            load_model(saved(model, tmp_path / name))


def test_a_text_that_unpacks_without_end_fills_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "bomb.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", bytes(65 << 20))
    with pytest.raises(KerasFileError, match=r"config\.json is larger than 64 MiB"):
        load_model(path)
