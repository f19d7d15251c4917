"""Models as TensorFlow's own converter writes them, without a contract, at the edge."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import flatbuffers
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from tensorflow.lite.python.schema_py_generated import ModelT

from vedette_convert.packaging import tflite_metadata
from vedette_convert.packaging.flatbuffer_writer import read_schema, write_flatbuffer
from vedette_convert.packaging.tflite_metadata import add_metadata
from vedette_edge import Classifier
from vedette_edge.errors import ModelFileError
from vedette_edge.model.contract import Confidence, Contract, Provenance
from vedette_edge.model.overrides import ModelOverrides
from vedette_edge.model.tflite_metadata import read_metadata
from vedette_edge.model.uncontracted import AssumedContract

LABELS = ("red", "green", "blue")
HEIGHT, WIDTH = 12, 16  # px
OVERRIDES = ModelOverrides(labels=LABELS, mean=(127.5,), std=(127.5,))
CONTRACT = Contract(
    labels=LABELS,
    height=HEIGHT,
    width=WIDTH,
    colour="rgb",
    resize_mode="squash",
    resize_rule="box-linear-exact-1",
    normalisation="unit",
    confidence=Confidence(temperature=1.0, unknown_below=0.625),
    provenance=Provenance("0" * 64, {"test": 0}, 0, {}, {}),
)
PICTURE = np.random.default_rng(3).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
Write = Callable[..., Path]


def build_network(activation: str | None = "softmax", channels: int = 3) -> keras.Model:
    """Build a model that averages each channel of an input of -1 to 1, and compares them."""
    image = keras.Input(batch_shape=(1, HEIGHT, WIDTH, channels))
    means = layers.GlobalAveragePooling2D()(image)
    scores = layers.Dense(3, activation=activation)(means)
    model = keras.Model(image, scores)
    model.layers[-1].set_weights([4 * np.eye(channels, 3), np.array([0.5, 0, -0.5])])
    return model


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a Keras model as a .tflite; `dtype` is that of its input and its output."""

    def write_model(model: keras.Model, dtype: str = "float32") -> Path:
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        if dtype != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            shape = model.inputs[0].shape
            converter.representative_dataset = lambda: (
                [np.full(shape, value, np.float32)] for value in (-1, -0.5, 0, 0.5, 1)
            )
            converter.inference_input_type = converter.inference_output_type = tf.as_dtype(dtype)
        if dtype == "int16":
            converter.target_spec.supported_ops = [
                tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
            ]
        path = tmp_path / "foreign.tflite"
        path.write_bytes(converter.convert())
        return path

    return write_model


def compute_expected(model: keras.Model, picture: Any) -> Any:
    """Compute Keras' scores of an image, normalised here."""
    return model(picture[np.newaxis].astype(np.float32) / 127.5 - 1).numpy()[0]


def require_assumed(classifier: Classifier) -> AssumedContract:
    assert isinstance(classifier.contract, AssumedContract)
    return classifier.contract


def test_a_float_input_gets_the_named_normalisation(write: Write) -> None:
    model = build_network()
    classifier = Classifier(write(model), overrides=OVERRIDES)
    scores = classifier.classify(PICTURE).scores
    assert np.allclose(scores, compute_expected(model, PICTURE), atol=1e-5)
    assert not require_assumed(classifier).logits


def test_a_float_input_without_a_named_normalisation_is_refused(write: Write) -> None:
    with pytest.raises(ModelFileError, match="--mean 0 --std 255"):
        Classifier(write(build_network()), overrides=ModelOverrides(labels=LABELS))


@pytest.mark.parametrize(("dtype", "tolerance"), [("uint8", 0.02), ("int8", 0.02)])
@pytest.mark.parametrize("overrides", [ModelOverrides(labels=LABELS), OVERRIDES])
def test_a_quantized_model_gives_the_scores_of_keras(
    write: Write, dtype: str, tolerance: float, overrides: ModelOverrides
) -> None:
    model = build_network()
    scores = Classifier(write(model, dtype), overrides=overrides).classify(PICTURE).scores
    assert np.allclose(scores, compute_expected(model, PICTURE), atol=tolerance)


@pytest.mark.parametrize("dtype", ["float32", "uint8", "int8"])
def test_logits_get_a_softmax_and_that_is_reported(write: Write, dtype: str) -> None:
    classifier = Classifier(write(build_network(None), dtype), overrides=OVERRIDES)
    scores = classifier.classify(PICTURE).scores
    assert np.allclose(scores, compute_expected(build_network(), PICTURE), atol=0.03)
    assert require_assumed(classifier).logits
    assert any("FULLY_CONNECTED" in line for line in classifier.assumptions)


def test_sigmoids_stand_each_for_itself_and_that_is_reported(write: Write) -> None:
    model = build_network("sigmoid")
    classifier = Classifier(write(model), overrides=OVERRIDES)
    scores = classifier.classify(PICTURE).scores
    assert np.allclose(scores, compute_expected(model, PICTURE), atol=1e-5)
    assert scores.sum() > 1.2
    assert any("sigmoid" in line for line in classifier.assumptions)


def test_scores_that_no_softmax_made_are_known_by_their_sum(write: Write) -> None:
    image = keras.Input(batch_shape=(1, HEIGHT, WIDTH, 3))
    means = layers.GlobalAveragePooling2D()(image)
    powers = keras.ops.exp(means)
    model = keras.Model(image, powers / keras.ops.sum(powers, axis=-1, keepdims=True))
    classifier = Classifier(write(model), overrides=OVERRIDES)
    assert not require_assumed(classifier).logits
    assert np.allclose(
        classifier.classify(PICTURE).scores, compute_expected(model, PICTURE), atol=1e-5
    )


def test_a_model_that_takes_bgr_is_fed_bgr(write: Write) -> None:
    model = build_network()
    scores = (
        Classifier(write(model), overrides=replace(OVERRIDES, colour="bgr"))
        .classify(PICTURE)
        .scores
    )
    assert np.allclose(scores, compute_expected(model, PICTURE[..., ::-1]), atol=1e-5)


def test_an_input_of_one_channel_takes_grey(write: Write) -> None:
    classifier = Classifier(write(build_network(channels=1)), overrides=OVERRIDES)
    assert require_assumed(classifier).colour == "grey"
    assert not any("colour" in line for line in classifier.assumptions)
    dark, bright = (
        classifier.classify(np.full((30, 30, 3), value, np.uint8)).scores[0] for value in (0, 255)
    )
    assert dark < 0.1 < 0.9 < bright


def test_a_single_output_is_no_classifier(write: Write) -> None:
    image = keras.Input(batch_shape=(1, HEIGHT, WIDTH, 3))
    model = keras.Model(image, layers.Dense(1)(layers.GlobalAveragePooling2D()(image)))
    with pytest.raises(ModelFileError, match=r"\(1, 1\)"):
        Classifier(write(model), overrides=OVERRIDES)


def test_a_map_is_no_classifier(write: Write) -> None:
    image = keras.Input(batch_shape=(1, HEIGHT, WIDTH, 3))
    with pytest.raises(ModelFileError, match=r"\(1, 12, 16, 2\)"):
        Classifier(write(keras.Model(image, layers.Conv2D(2, 1)(image))), overrides=OVERRIDES)


def test_several_outputs_are_no_classifier(write: Write) -> None:
    image = keras.Input(batch_shape=(1, HEIGHT, WIDTH, 3))
    means = layers.GlobalAveragePooling2D()(image)
    model = keras.Model(image, [layers.Dense(4)(means), layers.Dense(3)(means)])
    with pytest.raises(ModelFileError, match="2 output"):
        Classifier(write(model), overrides=OVERRIDES)


def test_channels_that_come_first_are_told(write: Write) -> None:
    image = keras.Input(batch_shape=(1, 3, HEIGHT, WIDTH))
    turned = layers.Permute((2, 3, 1))(image)
    model = keras.Model(image, layers.Dense(3)(layers.GlobalAveragePooling2D()(turned)))
    with pytest.raises(ModelFileError, match=r"\(1, 3, 12, 16\)"):
        Classifier(write(model), overrides=OVERRIDES)


def test_an_input_of_16_bits_is_refused(write: Write) -> None:
    with pytest.raises(ModelFileError, match="int16"):
        Classifier(write(build_network(), "int16"), overrides=OVERRIDES)


def test_an_input_without_a_size_is_refused(write: Write) -> None:
    image = keras.Input((None, None, 3))
    model = keras.Model(image, layers.Dense(3)(layers.GlobalAveragePooling2D()(image)))
    with pytest.raises(ModelFileError, match=r"foreign\.tflite"):
        Classifier(write(model), overrides=OVERRIDES)


def test_what_the_runtime_refuses_is_one_line(write: Write) -> None:
    """A dimension of quantization that no tensor has: LiteRT repeats it for each tensor."""
    path = write(build_network(), "int8")
    graph = ModelT.InitFromPackedBuf(path.read_bytes())
    for tensor in graph.subgraphs[0].tensors:
        if tensor.quantization is not None and tensor.quantization.scale is not None:
            tensor.quantization.quantizedDimension = 9
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(graph.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    with pytest.raises(ModelFileError) as error:
        Classifier(path, overrides=OVERRIDES)
    message = str(error.value)
    assert message.count("quantized_dimension must be in range") == 1
    assert "\n" not in message


def test_a_batch_that_is_free_is_one_picture(write: Write) -> None:
    image = keras.Input((HEIGHT, WIDTH, 3))
    means = layers.GlobalAveragePooling2D()(image)
    model = keras.Model(image, layers.Dense(3, activation="softmax")(means))
    scores = Classifier(write(model), overrides=OVERRIDES).classify(PICTURE).scores
    assert np.allclose(scores, compute_expected(model, PICTURE), atol=1e-5)


def test_a_float_models_own_metadata_normalise_its_input(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, path = build_network(), write(build_network())
    metadata = build_metadata([127.5], [127.5])
    monkeypatch.setattr(tflite_metadata, "build_metadata", lambda contract: metadata)
    path.write_bytes(add_metadata(path.read_bytes(), CONTRACT).replace(b"VEDETTE", b"NOBODYS"))
    classifier = Classifier(path, overrides=ModelOverrides(labels=LABELS))
    assert require_assumed(classifier).mean == require_assumed(classifier).std == (127.5,)
    assert require_assumed(classifier).confidence.unknown_below == 0.625
    assert np.allclose(
        classifier.classify(PICTURE).scores, compute_expected(model, PICTURE), atol=1e-5
    )
    other = Classifier(path, overrides=replace(OVERRIDES, mean=(0.0,), std=(255.0,)))
    assert require_assumed(other).std == (255,)


@pytest.mark.parametrize(("mean", "std"), [([1.0, 2.0], [1.0]), ([0.0], [0.0]), ([0.0], [])])
def test_metadata_that_cannot_be_are_refused(
    write: Write, monkeypatch: pytest.MonkeyPatch, mean: list[float], std: list[float]
) -> None:
    path = write(build_network())
    metadata = build_metadata(mean, std)
    monkeypatch.setattr(tflite_metadata, "build_metadata", lambda contract: metadata)
    path.write_bytes(add_metadata(path.read_bytes(), CONTRACT).replace(b"VEDETTE", b"NOBODYS"))
    with pytest.raises(ModelFileError, match=r"mean|std"):
        Classifier(path, overrides=ModelOverrides(labels=LABELS))


def test_metadata_cut_anywhere_are_read_or_refused() -> None:
    schema = read_schema(
        Path(tflite_metadata.__file__).with_name("metadata.fbs").read_text("utf-8")
    )
    whole = write_flatbuffer(schema, "ModelMetadata", build_metadata([1, 2, 3], [4, 5, 6]), b"M001")
    metadata = read_metadata(whole, {"labels.txt": b"red\ngreen\nblue\n"})
    assert (metadata.mean, metadata.std, metadata.colour) == ((1, 2, 3), (4, 5, 6), "rgb")
    assert (metadata.labels_text, metadata.unknown_below) == ("red\ngreen\nblue\n", 0.625)
    refused = 0
    for length in range(1, len(whole)):
        try:
            read_metadata(whole[:length], {})
        except ModelFileError:
            refused += 1
    assert refused > len(whole) // 2


def build_metadata(mean: list[float], std: list[float]) -> Any:
    metadata = tflite_metadata.build_metadata(CONTRACT)
    (unit,) = metadata["subgraph_metadata"][0]["input_tensor_metadata"][0]["process_units"]
    unit["options"] = {"mean": mean, "std": std}
    return metadata
