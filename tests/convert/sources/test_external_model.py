"""Classifiers trained elsewhere: what their authors fed them is what the Pi feeds them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from click.testing import CliRunner, Result
from keras import layers
from tests.convert.conftest import convert as vedette_convert

from vedette_convert.cli import main
from vedette_edge import Classifier, preprocess
from vedette_edge.images import decoding
from vedette_edge.model.contract import Contract

SIDE = 32
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
        return vedette_convert(model, *told)

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
        picture_rgb = decoding.read_image(path)
        prepared = preprocess(picture_rgb, classifier.contract).astype(np.float64)
        expected = model(AUTHORS[name](prepared)[np.newaxis].astype(np.float32))[0]
        np.testing.assert_allclose(classifier.classify(picture_rgb).scores, expected, atol=close)


def test_int8_of_a_model_from_elsewhere_passes_the_gate_and_proves_itself(
    convert: Callable[..., Result], tmp_path: Path
) -> None:
    result = convert(saved(network(), tmp_path / "model.keras"), "--normalise", "unit")
    assert result.exit_code == 0, result.stdout + result.stderr
    found = Classifier(tmp_path / "out.tflite")
    assert found.network.input.dtype == "uint8"
    counts = contract_of(tmp_path / "out.tflite").provenance.pictures
    assert counts == {"calibration": 60, "test": 60}
    assert len(found.model.samples) > 1


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


def test_a_model_that_was_not_trained_is_refused(
    convert: Callable[..., Result], tmp_path: Path
) -> None:
    model = network()
    model.layers[-1].set_weights([np.zeros((8, 3)), np.zeros(3)])
    result = convert(saved(model, tmp_path / "model.keras"), "--normalise", "unit")
    assert result.exit_code == 1
    assert "model.keras: gives all labels the same score" in result.stderr


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
        decoding.read_image(next(shapes.glob("*/*.png")))
    )
    assert found.scores.sum() == pytest.approx(1, abs=1e-3)
    result = convert(saved(network(activation="sigmoid"), tmp_path / "model.keras"), *told)
    assert "each label has a sigmoid of its own" in result.stderr
    assert result.exit_code == 0


def test_photographs_without_folders_are_judged_by_agreement_alone(
    convert: Callable[..., Result], shapes: Path, tmp_path: Path
) -> None:
    model = saved(network(), tmp_path / "model.keras")
    photos = tmp_path / "flat"
    photos.mkdir()
    for path in shapes.glob("*/*.png"):
        (photos / f"{path.parent.name}-{path.name}").symlink_to(path)
    (photos / "broken.jpg").write_bytes(b"no picture")
    result = convert(model, "--normalise", "unit", photos=photos)
    assert result.exit_code == 0, result.stderr
    assert "only agreement can be judged" in result.stderr
    assert "left out broken.jpg" in result.stderr
    assert "assumed: resize mode squash" in result.stderr
    assert contract_of(tmp_path / "out.tflite").provenance.accuracies == {}


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
