"""Classifiers trained elsewhere: what their authors fed them is what the Pi feeds them."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner, Result
from keras import layers

from vedette_convert.__main__ import main
from vedette_convert.errors import KerasFileError
from vedette_convert.keras_file import load
from vedette_convert.normalisation import beginning
from vedette_edge import Classifier, pictures, prepare
from vedette_edge.contract import Contract

SIDE, LABELS = 32, ("bar", "disc", "square")
MEANS, DEVIATIONS = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
AUTHORS: dict[str, Callable[[Any], Any]] = {
    "unit": lambda x: x / 255,
    "centred": lambda x: (x - 127) / 128,
    "signed": lambda x: x / 127.5 - 1,
    "resnet50": lambda x: x[..., ::-1] - np.array([103.939, 116.779, 123.68]),
    "imagenet": lambda x: (x / 255 - MEANS) / DEVIATIONS,
    "none": lambda x: x,
}


def network(*first: layers.Layer, activation: str | None = "softmax", units: int = 3) -> Any:
    """A small network of fixed weights that tells pictures apart at any normalisation."""
    keras.utils.set_random_seed(5)
    return keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 3)),
            *first,
            layers.Conv2D(8, 5, strides=3, activation="relu"),
            layers.DepthwiseConv2D(3, activation="relu"),
            layers.GlobalMaxPooling2D(),
            layers.BatchNormalization(),
            layers.Dense(units, activation=activation),
        ]
    )


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "labels.txt"
    path.write_text("0 bar\n1 disc\n2 square\n", encoding="utf-8")
    return path


@pytest.fixture
def convert(labels: Path, shapes: Path, tmp_path: Path) -> Callable[..., Result]:
    """Converts a model to tmp_path/out.tflite with the labels and the shapes, and further flags."""

    def run(model: Path, *flags: str | Path, photos: Path = shapes) -> Result:
        told = ("--labels", labels, "--calibrate", photos, "--out", tmp_path / "out.tflite", *flags)
        result = CliRunner().invoke(main, [str(one) for one in (model, *told)])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


def saved(model: Any, path: Path) -> Path:
    model.save(path)
    return path


def contract_of(path: Path) -> Contract:
    contract = Classifier(path).contract
    assert isinstance(contract, Contract)
    return contract


FLOAT = ("--quantization", "float32")


@pytest.mark.parametrize(("quantization", "close"), [("float32", 1e-3), ("int8", 4 / 256)])
@pytest.mark.parametrize("name", AUTHORS)
def test_the_edge_gives_what_the_author_s_own_preprocessing_gives(
    name: str,
    quantization: str,
    close: float,
    convert: Callable[..., Result],
    shapes: Path,
    tmp_path: Path,
) -> None:
    model = network()
    path = saved(model, tmp_path / "model.keras")
    result = convert(path, "--normalise", name, "--quantization", quantization)
    assert result.exit_code == 0, result.stderr
    classifier = Classifier(tmp_path / "out.tflite")
    assert contract_of(tmp_path / "out.tflite").normalisation == name
    for path in sorted(shapes.glob("*/*.png"))[::6]:
        picture_rgb = pictures.read(path)
        prepared = prepare(picture_rgb, classifier.contract).astype(np.float64)
        expected = model(AUTHORS[name](prepared)[np.newaxis].astype(np.float32))[0]
        np.testing.assert_allclose(classifier.classify(picture_rgb).scores, expected, atol=close)


def test_int8_of_a_model_from_elsewhere_passes_the_gate_and_proves_itself(
    convert: Callable[..., Result], tmp_path: Path
) -> None:
    result = convert(saved(network(), tmp_path / "model.keras"), "--normalise", "unit")
    assert result.exit_code == 0, result.stdout + result.stderr
    found = Classifier(tmp_path / "out.tflite")
    assert found.network.input.dtype == "uint8"
    assert contract_of(tmp_path / "out.tflite").provenance.pictures == {
        "calibration": 60,
        "test": 60,
    }
    assert len(found.model.samples) > 1


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


def test_teachable_machine_s_export_converts(
    convert: Callable[..., Result], shapes: Path, tmp_path: Path
) -> None:
    taken = keras.Input((SIDE, SIDE, 3))
    maps = layers.Conv2D(8, 5, strides=3, activation="relu", name="conv")(taken)
    maps = layers.BatchNormalization()(layers.DepthwiseConv2D(3)(maps))
    base = keras.Model(taken, maps)
    base.trainable = False  # which orders its weights in another way
    whole = keras.Sequential([
        keras.Sequential([base, layers.GlobalAveragePooling2D()]),
        keras.Sequential([keras.Input((8,)), layers.Dense(3, activation="softmax")]),
    ])  # fmt: skip
    path = keras_2_h5(whole, tmp_path / "keras_model.h5")
    assert b"groups" in path.read_bytes()
    result = convert(path, "--normalise", "signed", *FLOAT)
    assert result.exit_code == 0, result.stderr
    classifier = Classifier(tmp_path / "out.tflite")
    picture_rgb = pictures.read(next(shapes.glob("disc/*.png")))
    prepared = prepare(picture_rgb, classifier.contract).astype(np.float32)
    expected = whole(AUTHORS["signed"](prepared)[np.newaxis])[0]
    np.testing.assert_allclose(classifier.classify(picture_rgb).scores, expected, atol=1e-3)


def test_arithmetic_of_keras_2_is_translated_and_other_operations_are_refused(
    tmp_path: Path,
) -> None:
    taken = keras.Input((SIDE, SIDE, 3))
    scaled = layers.Rescaling(1 / 255, name="tf.math.truediv")(taken)
    scores = layers.Dense(3, activation="softmax")(layers.Flatten()(scaled))
    path = keras_2_h5(keras.Model(taken, scores), tmp_path / "model.h5")
    for divisor, name in ((255.0, "unit"), ([255.0, 255.0, 255.0], "unit"), (128.0, "own")):
        found = beginning(load(divided_by(path, divisor)))
        assert found is not None
        assert found.name == name
    with pytest.raises(KerasFileError, match="code is not Keras' own: TFOpLambda"):
        load(divided_by(path, ["flatten", 0, 0]))


def divided_by(path: Path, divisor: Any) -> Path:
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        config["config"]["layers"][1]["inbound_nodes"] = [
            [config["config"]["layers"][0]["name"], 0, 0, {"y": divisor, "name": None}]
        ]
        file.attrs["model_config"] = json.dumps(config)
    return path


def test_a_saved_model_converts_and_must_be_told_its_normalisation(
    convert: Callable[..., Result], tmp_path: Path
) -> None:
    folder = tmp_path / "exported"
    network(layers.Rescaling(1 / 255)).export(folder, verbose=False)
    result = convert(folder)
    assert result.exit_code == 1
    assert "the model cannot be looked into" in result.stderr
    assert "x / 255" in result.stderr
    result = convert(folder, "--normalise", "own", *FLOAT)
    assert result.exit_code == 0, result.stderr
    assert contract_of(tmp_path / "out.tflite").normalisation == "own"


def exported(
    net: Any, folder: Path, *names: str, first: Callable[[Any], Any] = lambda x: x, **picture: Any
) -> Path:
    """A SavedModel whose signature gives the net's scores under each of the names."""
    spec = tf.TensorSpec(
        (picture.get("batch"), SIDE, SIDE, 3), picture.get("dtype", "float32"), name="picture"
    )

    def serve(x: Any) -> dict[str, Any]:
        return {name: net(first(tf.cast(x, tf.float32))) for name in names}

    module = tf.Module()
    module.kept = net.variables
    tf.saved_model.save(module, str(folder), tf.function(serve, input_signature=[spec]))
    return folder


@pytest.mark.parametrize(("batch", "dtype"), [(None, "uint8"), (1, "float32")])
def test_a_saved_model_may_take_bytes_or_one_picture_at_a_time(
    batch: int | None,
    dtype: str,
    convert: Callable[..., Result],
    shapes: Path,
    tmp_path: Path,
) -> None:
    model = network(layers.Rescaling(1 / 255))
    folder = exported(model, tmp_path / "saved", "scores", batch=batch, dtype=dtype)
    result = convert(folder, "--normalise", "own")
    assert result.exit_code == 0, result.stderr
    classifier = Classifier(tmp_path / "out.tflite")
    picture_rgb = pictures.read(next(shapes.glob("disc/*.png")))
    prepared = prepare(picture_rgb, classifier.contract).astype(np.float32)
    np.testing.assert_allclose(
        classifier.classify(picture_rgb).scores, model(prepared[np.newaxis])[0], atol=0.05
    )


def test_more_than_one_input_or_output_is_refused_and_a_dict_of_one_is_none(
    convert: Callable[..., Result], tmp_path: Path
) -> None:
    net, taken = network(layers.Rescaling(1 / 255)), keras.Input((SIDE, SIDE, 3))
    result = convert(exported(net, tmp_path / "two", "a", "b"), "--normalise", "own")
    assert result.exit_code == 1
    assert "gives a (None, 3), b (None, 3)" in result.stderr
    two = keras.Model(taken, {"a": net(taken), "b": layers.Flatten()(taken)})
    result = convert(saved(two, tmp_path / "two.keras"))
    assert result.exit_code == 1
    assert "two.keras: takes [(None, 32, 32, 3)] and gives [(None, 3), (None, 3072)]" in (
        result.stderr
    )
    one = keras.Model(taken, {"a": net(taken)})
    assert convert(saved(one, tmp_path / "one.keras"), *FLOAT).exit_code == 0


def test_mixed_precision_and_a_fixed_batch_convert(
    convert: Callable[..., Result], tmp_path: Path
) -> None:
    keras.config.set_dtype_policy("mixed_float16")
    try:
        mixed = network(layers.Rescaling(1 / 255))
    finally:
        keras.config.set_dtype_policy("float32")
    assert convert(saved(mixed, tmp_path / "mixed.keras")).exit_code == 0
    taken = keras.Input(batch_shape=(1, SIDE, SIDE, 3))
    single = keras.Model(taken, network(layers.Rescaling(1 / 255))(taken))
    assert convert(saved(single, tmp_path / "single.keras")).exit_code == 0


def test_a_model_that_was_not_trained_is_refused(
    convert: Callable[..., Result], tmp_path: Path
) -> None:
    model = network()
    model.layers[-1].set_weights([np.zeros((8, 3)), np.zeros(3)])
    result = convert(saved(model, tmp_path / "model.keras"), "--normalise", "unit")
    assert result.exit_code == 1
    assert "model.keras: gives all labels the same score" in result.stderr


def test_what_tflite_has_no_operation_for_is_named(
    convert: Callable[..., Result], tmp_path: Path
) -> None:
    net = network(layers.Rescaling(1 / 255))
    hue = partial(tf.image.adjust_hue, delta=0.1)
    result = convert(exported(net, tmp_path / "hue", "p", first=hue), "--normalise", "own")
    assert result.exit_code == 1
    assert "because of tf.AdjustHue" in result.stderr


def test_a_normalisation_that_the_model_has_is_recognised(
    convert: Callable[..., Result], tmp_path: Path
) -> None:
    adapted = layers.Normalization(mean=[100.0, 110.0, 120.0], variance=[900.0, 800.0, 700.0])
    torchvision = layers.Normalization(mean=255 * MEANS, variance=(255 * DEVIATIONS) ** 2)
    augmented = keras.Sequential([layers.RandomFlip(), layers.Rescaling(1 / 255)])
    for first, name in (
        (layers.Rescaling(1 / 127.5, -1), "signed"),
        (adapted, "own"),
        (torchvision, "imagenet"),
        (augmented, "unit"),
    ):
        result = convert(saved(network(first), tmp_path / "model.keras"), *FLOAT)
        assert result.exit_code == 0, result.stderr
        assert contract_of(tmp_path / "out.tflite").normalisation == name


def test_arithmetic_between_layers_is_recognised_before_a_fork_too() -> None:
    for preprocess, name in (
        (keras.applications.resnet50.preprocess_input, "resnet50"),
        (keras.applications.densenet.preprocess_input, "imagenet"),
        (lambda x: x / 127.5 - 1, "signed"),
    ):
        taken = keras.Input((SIDE, SIDE, 3))
        values = preprocess(taken)
        forked = layers.Conv2D(3, 3)(values) + layers.Conv2D(3, 3)(values)
        found = beginning(keras.Model(taken, forked))
        assert found is not None
        assert found.name == name
    taken = keras.Input((SIDE, SIDE, 3))
    mixed = layers.Rescaling(1 / 255)(taken) + layers.Conv2D(3, 1)(taken)
    assert beginning(keras.Model(taken, mixed)) is None


def test_normalising_twice_is_refused_with_an_explanation(
    convert: Callable[..., Result], tmp_path: Path
) -> None:
    model = saved(network(layers.Rescaling(1 / 255)), tmp_path / "model.keras")
    result = convert(model, "--normalise", "unit")
    assert result.exit_code == 1
    assert "begins with Rescaling (unit: x / 255)" in result.stderr
    assert "a byte of 255 would become 0.003922, not 1" in result.stderr


def test_a_normalisation_that_nobody_names_is_asked_for(
    convert: Callable[..., Result], tmp_path: Path
) -> None:
    result = convert(saved(network(), tmp_path / "model.keras"))
    assert result.exit_code == 1
    assert "Say with --normalise" in result.stderr
    assert "x / 127.5 - 1" in result.stderr
    assert not (tmp_path / "out.tflite").exists()


def test_logits_get_a_softmax_and_sigmoids_are_told(
    convert: Callable[..., Result], shapes: Path, tmp_path: Path
) -> None:
    told = ("--normalise", "unit", *FLOAT)
    result = convert(saved(network(activation=None), tmp_path / "model.keras"), *told)
    assert "its outputs are logits" in result.stderr
    found = Classifier(tmp_path / "out.tflite").classify(
        pictures.read(next(shapes.glob("*/*.png")))
    )
    assert found.scores.sum() == pytest.approx(1, abs=1e-3)
    result = convert(saved(network(activation="sigmoid"), tmp_path / "model.keras"), *told)
    assert "each label has a sigmoid of its own" in result.stderr
    assert result.exit_code == 0


def flat(shapes: Path, folder: Path) -> Path:
    folder.mkdir()
    for path in shapes.glob("*/*.png"):
        (folder / f"{path.parent.name}-{path.name}").symlink_to(path)
    return folder


def test_photographs_without_folders_are_judged_by_agreement_alone(
    convert: Callable[..., Result], shapes: Path, tmp_path: Path
) -> None:
    model = saved(network(), tmp_path / "model.keras")
    photos = flat(shapes, tmp_path / "flat")
    (photos / "broken.jpg").write_bytes(b"no picture")
    result = convert(model, "--normalise", "unit", photos=photos)
    assert result.exit_code == 0, result.stderr
    assert "only agreement can be judged" in result.stderr
    assert "left out broken.jpg" in result.stderr
    assert contract_of(tmp_path / "out.tflite").provenance.accuracies == {}


def test_photographs_are_parted_by_content_and_copies_count_once(
    convert: Callable[..., Result], shapes: Path, tmp_path: Path
) -> None:
    model = saved(network(), tmp_path / "model.keras")
    folder = tmp_path / "photos"
    for label in LABELS:
        (folder / label).mkdir(parents=True)
        for number, path in enumerate(sorted((shapes / label).glob("*.png"))[:20]):
            (folder / label / f"x{99 - number}.png").write_bytes(path.read_bytes())
            (folder / label / f"copy{number}.png").write_bytes(path.read_bytes())
    assert convert(model, "--normalise", "unit", *FLOAT, photos=folder).exit_code == 0
    pictures_of = contract_of(tmp_path / "out.tflite").provenance.pictures
    assert pictures_of == {"calibration": 30, "test": 30}


@pytest.mark.parametrize(
    ("units", "said"), [(1, "gives one number"), (4, "gives 4 scores, and there are 3 labels")]
)
def test_a_wrong_number_of_outputs_is_refused(
    units: int, said: str, convert: Callable[..., Result], tmp_path: Path
) -> None:
    model = saved(network(units=units, activation="sigmoid"), tmp_path / "model.keras")
    result = convert(model, "--normalise", "unit")
    assert result.exit_code == 1
    assert said in result.stderr


def test_other_inputs_than_one_colour_picture_are_refused(
    convert: Callable[..., Result], tmp_path: Path
) -> None:
    for shape in ((SIDE, SIDE, 1), (None, None, 3), (12,)):
        taken = keras.Input(shape)
        pooled = layers.GlobalMaxPooling2D()(taken) if len(shape) == 3 else taken
        model = keras.Model(taken, layers.Dense(3, activation="softmax")(pooled))
        result = convert(saved(model, tmp_path / "model.keras"), "--normalise", "unit")
        assert result.exit_code == 1
        assert "expected (None, height, width, 3)" in result.stderr


def test_folders_of_which_only_some_are_labels_are_refused(
    convert: Callable[..., Result], shapes: Path, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    for name in ("bar", "disc", "rectangle"):
        (photos / name).mkdir(parents=True)
    model = saved(network(), tmp_path / "model.keras")
    result = convert(model, "--normalise", "unit", photos=photos)
    assert result.exit_code == 1
    assert "folders rectangle are called like no label" in result.stderr
    assert "The labels are bar, disc, square" in result.stderr
    result = convert(model, "--normalise", "unit", photos=tmp_path / "photos" / "bar")
    assert "0 photographs that can be read" in result.stderr


def test_labels_without_photographs_and_loose_photographs_are_said(
    convert: Callable[..., Result], shapes: Path, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in ("bar", "disc"):
        (photos / name).symlink_to(shapes / name)
    (photos / "loose.png").write_bytes((shapes / "disc" / "001.png").read_bytes())
    model = saved(network(), tmp_path / "model.keras")
    result = convert(model, "--normalise", "unit", *FLOAT, photos=photos)
    assert result.exit_code == 0, result.stderr
    assert "no photograph of square" in result.stderr
    assert "left out loose.png: lies in no class's folder" in result.stderr
    assert "the fit squash; --fit says it" in result.stderr


def test_a_layer_that_is_code_is_refused(convert: Callable[..., Result], tmp_path: Path) -> None:
    model = network(layers.Lambda(lambda x: x / 255))
    for name in ("model.keras", "model.h5"):
        result = convert(saved(model, tmp_path / name), "--normalise", "none")
        assert result.exit_code == 1
        assert "Lambda" in result.stderr
        assert "model.export" in result.stderr


@pytest.mark.parametrize(
    ("name", "content", "code", "said"),
    [
        ("a.tflite", b"\x1c\0\0\0TFL3", 2, "cannot be quantized again; give the Keras model"),
        ("a.onnx", b"", 2, "ONNX"),
        ("a.pt", b"", 2, "PyTorch"),
        ("a.h5", b"nonsense", 1, "is no Keras model"),
        ("a.keras", b"PK\x03\x04 cut", 1, "is no Keras model"),
    ],
)
def test_what_is_no_keras_model_is_called_what_it_is(
    name: str, content: bytes, code: int, said: str, convert: Callable[..., Result], tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    result = convert(path, "--normalise", "unit")
    assert result.exit_code == code
    assert said in result.stderr


def test_what_must_be_told_is_asked_for_and_a_run_takes_none_of_it(
    run_folder: Path, labels: Path, tmp_path: Path
) -> None:
    model = saved(network(), tmp_path / "model.keras")
    result = CliRunner().invoke(main, [str(model), "--normalise", "unit"])
    assert result.exit_code == 2
    assert "--labels and --calibrate must say" in result.stderr
    result = CliRunner().invoke(main, [str(run_folder), "--labels", str(labels)])
    assert result.exit_code == 2
    assert "a run says all that itself" in result.stderr
