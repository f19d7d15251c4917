"""External classifiers: the Pi gives them the same input as their authors did."""

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

pytestmark = pytest.mark.slow

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


def build_network(*first: layers.Layer, activation: str | None = "softmax", units: int = 3) -> Any:
    """Build a small network of fixed weights that separates images at any normalisation."""
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
        options = (
            "--labels",
            labels,
            "--calibrate",
            photos,
            "--out",
            tmp_path / "out.tflite",
            *flags,
        )
        return vedette_convert(model, *options)

    return run


def save(model: Any, path: Path) -> Path:
    model.save(path)
    return path


def read_contract(path: Path) -> Contract:
    contract = Classifier(path).contract
    assert isinstance(contract, Contract)
    return contract


FLOAT = ("--quantization", "float32")


@pytest.mark.parametrize(("quantization", "close"), [("float32", 1e-3), ("int8", 4 / 256)])
@pytest.mark.parametrize("name", AUTHORS)
def test_the_edge_gives_the_scores_of_the_authors_own_preprocessing(
    name: str,
    quantization: str,
    close: float,
    convert: Callable[..., Result],
    shapes: Path,
    tmp_path: Path,
) -> None:
    model = build_network()
    path = save(model, tmp_path / "model.keras")
    result = convert(path, "--normalise", name, "--quantization", quantization)
    assert result.exit_code == 0, result.stderr
    classifier = Classifier(tmp_path / "out.tflite")
    assert read_contract(tmp_path / "out.tflite").normalisation == name
    pictures = [decoding.read_image(path) for path in sorted(shapes.glob("*/*.png"))[::6]]
    prepared = np.stack([preprocess(one, classifier.contract) for one in pictures])
    expected = model(AUTHORS[name](prepared.astype(np.float64)).astype(np.float32))
    scores = np.stack([classifier.classify(one).scores for one in pictures])
    np.testing.assert_allclose(scores, expected, atol=close)


def test_int8_of_an_external_model_passes_the_gate_and_proves_itself(
    convert: Callable[..., Result], tmp_path: Path
) -> None:
    result = convert(save(build_network(), tmp_path / "model.keras"), "--normalise", "unit")
    assert result.exit_code == 0, result.stdout + result.stderr
    classifier = Classifier(tmp_path / "out.tflite")
    assert classifier.network.input.dtype == "uint8"
    counts = read_contract(tmp_path / "out.tflite").provenance.pictures
    assert counts == {"calibration": 60, "test": 60}
    assert len(classifier.model.samples) > 1


def test_a_saved_model_converts_and_needs_normalise(
    convert: Callable[..., Result], tmp_path: Path
) -> None:
    folder = tmp_path / "exported"
    build_network(layers.Rescaling(1 / 255)).export(folder, verbose=False)
    result = convert(folder)
    assert result.exit_code == 1
    assert "--normalise" in result.stderr
    assert "x / 255" in result.stderr
    result = convert(folder, "--normalise", "own", *FLOAT)
    assert result.exit_code == 0, result.stderr
    assert read_contract(tmp_path / "out.tflite").normalisation == "own"


def test_a_model_that_was_not_trained_is_refused(
    convert: Callable[..., Result], tmp_path: Path
) -> None:
    model = build_network()
    model.layers[-1].set_weights([np.zeros((8, 3)), np.zeros(3)])
    result = convert(save(model, tmp_path / "model.keras"), "--normalise", "unit")
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
        result = convert(save(build_network(first), tmp_path / "model.keras"), *FLOAT)
        assert result.exit_code == 0, result.stderr
        assert read_contract(tmp_path / "out.tflite").normalisation == name


def test_normalising_twice_is_refused_with_an_explanation(
    convert: Callable[..., Result], tmp_path: Path
) -> None:
    model = save(build_network(layers.Rescaling(1 / 255)), tmp_path / "model.keras")
    result = convert(model, "--normalise", "unit")
    assert result.exit_code == 1
    assert "begins with Rescaling (unit: x / 255)" in result.stderr
    assert "0.003922" in result.stderr


def test_a_normalisation_that_nobody_names_is_asked_for(
    convert: Callable[..., Result], tmp_path: Path
) -> None:
    result = convert(save(build_network(), tmp_path / "model.keras"))
    assert result.exit_code == 1
    assert "--normalise" in result.stderr
    assert "\n  signed    x / 127.5 - 1: Teachable Machine; Keras MobileNet, " in result.stderr
    assert "\n  centred   (x - 127) / 128: EfficientNet-Lite of its authors\n" in result.stderr
    assert not (tmp_path / "out.tflite").exists()


def test_logits_get_a_softmax_and_sigmoids_are_reported(
    convert: Callable[..., Result], shapes: Path, tmp_path: Path
) -> None:
    options = ("--normalise", "unit", *FLOAT)
    result = convert(save(build_network(activation=None), tmp_path / "model.keras"), *options)
    assert "softmax" in result.stderr
    answer = Classifier(tmp_path / "out.tflite").classify(
        decoding.read_image(next(shapes.glob("*/*.png")))
    )
    assert answer.scores.sum() == pytest.approx(1, abs=1e-3)
    result = convert(save(build_network(activation="sigmoid"), tmp_path / "model.keras"), *options)
    assert "sigmoid" in result.stderr
    assert result.exit_code == 0


def test_photographs_without_folders_are_judged_by_agreement_alone(
    convert: Callable[..., Result], shapes: Path, tmp_path: Path
) -> None:
    model = save(build_network(), tmp_path / "model.keras")
    photos = tmp_path / "flat"
    photos.mkdir()
    for path in shapes.glob("*/*.png"):
        (photos / f"{path.parent.name}-{path.name}").symlink_to(path)
    (photos / "broken.jpg").write_bytes(b"no picture")
    result = convert(model, "--normalise", "unit", photos=photos)
    assert result.exit_code == 0, result.stderr
    assert "bar, disc and square" in result.stderr
    assert "broken.jpg" in result.stderr
    assert "squash (--resize-mode)" in result.stderr
    assert read_contract(tmp_path / "out.tflite").provenance.accuracies == {}


@pytest.mark.parametrize(
    ("units", "message"), [(1, "gives one number"), (4, "labels.txt has 3 labels")]
)
def test_a_wrong_number_of_outputs_is_refused_before_photographs_are_read(
    units: int, message: str, convert: Callable[..., Result], tmp_path: Path
) -> None:
    model = save(build_network(units=units, activation="sigmoid"), tmp_path / "model.keras")
    (tmp_path / "empty").mkdir()
    result = convert(model, "--normalise", "unit", photos=tmp_path / "empty")
    assert result.exit_code == 1
    assert message in result.stderr
    assert ("starting" in result.stderr) == (units == 1)


def test_other_inputs_than_one_colour_picture_are_refused(
    convert: Callable[..., Result], tmp_path: Path
) -> None:
    for shape in ((SIDE, SIDE, 1), (None, None, 3), (12,)):
        taken = keras.Input(shape)
        pooled = layers.GlobalMaxPooling2D()(taken) if len(shape) == 3 else taken
        model = keras.Model(taken, layers.Dense(3, activation="softmax")(pooled))
        result = convert(save(model, tmp_path / "model.keras"), "--normalise", "unit")
        assert result.exit_code == 1
        assert "expected (None, height, width, 3)" in result.stderr


@pytest.mark.parametrize(
    ("name", "content", "code", "message"),
    [
        ("a.tflite", b"\x1c\0\0\0TFL3", 2, "a.tflite"),
        ("a.onnx", b"", 2, "ONNX"),
        ("a.pt", b"", 2, "PyTorch"),
        ("a.h5", b"nonsense", 1, "a.h5"),
        ("a.keras", b"PK\x03\x04 cut", 1, "a.keras"),
    ],
)
def test_what_is_not_a_keras_model_is_named(
    name: str,
    content: bytes,
    code: int,
    message: str,
    convert: Callable[..., Result],
    tmp_path: Path,
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    result = convert(path, "--normalise", "unit")
    assert result.exit_code == code
    assert message in result.stderr


def test_needed_options_are_named_and_a_run_takes_none_of_them(
    run_folder: Path, labels: Path, tmp_path: Path
) -> None:
    model = save(build_network(), tmp_path / "model.keras")
    result = CliRunner().invoke(main, [str(model), "--normalise", "unit"])
    assert result.exit_code == 2
    assert "--calibrate" in result.stderr
    result = CliRunner().invoke(main, [str(run_folder), "--labels", str(labels)])
    assert result.exit_code == 2
    assert "--resize-mode" in result.stderr
