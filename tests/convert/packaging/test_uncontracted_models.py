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
from vedette_convert.packaging.flatbuffer_writer import flatbuffer, read_schema
from vedette_convert.packaging.tflite_metadata import described
from vedette_edge import Classifier
from vedette_edge.errors import ModelFileError
from vedette_edge.model.contract import Confidence, Contract, Provenance
from vedette_edge.model.overrides import ModelOverrides
from vedette_edge.model.tflite_metadata import read_metadata
from vedette_edge.model.uncontracted import AssumedContract

LABELS = ("red", "green", "blue")
HEIGHT, WIDTH = 12, 16  # px
SAID = ModelOverrides(labels=LABELS, mean=(127.5,), std=(127.5,))
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


def network(activation: str | None = "softmax", channels: int = 3) -> keras.Model:
    """Averages each channel of an input of -1 to 1, and compares these."""
    given = keras.Input(batch_shape=(1, HEIGHT, WIDTH, channels))
    means = layers.GlobalAveragePooling2D()(given)
    made = layers.Dense(3, activation=activation)(means)
    model = keras.Model(given, made)
    model.layers[-1].set_weights([4 * np.eye(channels, 3), np.array([0.5, 0, -0.5])])
    return model


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a Keras model as a .tflite; `dtype` is that of its input and its output."""

    def written(model: keras.Model, dtype: str = "float32") -> Path:
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

    return written


def expected(model: keras.Model, picture: Any) -> Any:
    """What Keras says of a picture, normalised here."""
    return model(picture[np.newaxis].astype(np.float32) / 127.5 - 1).numpy()[0]


def settled(classifier: Classifier) -> AssumedContract:
    assert isinstance(classifier.contract, AssumedContract)
    return classifier.contract


def test_a_float_input_gets_the_normalisation_that_is_said(write: Write) -> None:
    model = network()
    classifier = Classifier(write(model), overrides=SAID)
    found = classifier.classify(PICTURE).scores
    assert np.allclose(found, expected(model, PICTURE), atol=1e-5)
    assert not settled(classifier).logits


def test_a_float_input_of_which_nothing_is_said_is_asked_for(write: Write) -> None:
    with pytest.raises(ModelFileError, match=r"float32 input.*--mean 0 --std 255.*torchvision"):
        Classifier(write(network()), overrides=ModelOverrides(labels=LABELS))


@pytest.mark.parametrize(("dtype", "tolerance"), [("uint8", 0.02), ("int8", 0.02)])
@pytest.mark.parametrize("said", [ModelOverrides(labels=LABELS), SAID])
def test_a_quantized_model_says_what_keras_says(
    write: Write, dtype: str, tolerance: float, said: ModelOverrides
) -> None:
    model = network()
    found = Classifier(write(model, dtype), overrides=said).classify(PICTURE).scores
    assert np.allclose(found, expected(model, PICTURE), atol=tolerance)


@pytest.mark.parametrize("dtype", ["float32", "uint8", "int8"])
def test_logits_get_a_softmax_and_that_is_told(write: Write, dtype: str) -> None:
    classifier = Classifier(write(network(None), dtype), overrides=SAID)
    found = classifier.classify(PICTURE).scores
    assert np.allclose(found, expected(network(), PICTURE), atol=0.03)
    assert settled(classifier).logits
    assert any("logits, made by FULLY_CONNECTED" in line for line in classifier.assumptions)


def test_sigmoids_stand_each_for_itself_and_that_is_told(write: Write) -> None:
    model = network("sigmoid")
    classifier = Classifier(write(model), overrides=SAID)
    found = classifier.classify(PICTURE).scores
    assert np.allclose(found, expected(model, PICTURE), atol=1e-5)
    assert found.sum() > 1.2
    assert any("sigmoid" in line for line in classifier.assumptions)


def test_scores_that_no_softmax_made_are_known_by_their_sum(write: Write) -> None:
    given = keras.Input(batch_shape=(1, HEIGHT, WIDTH, 3))
    means = layers.GlobalAveragePooling2D()(given)
    powers = keras.ops.exp(means)
    model = keras.Model(given, powers / keras.ops.sum(powers, axis=-1, keepdims=True))
    classifier = Classifier(write(model), overrides=SAID)
    assert not settled(classifier).logits
    assert np.allclose(classifier.classify(PICTURE).scores, expected(model, PICTURE), atol=1e-5)


def test_a_model_that_takes_bgr_is_fed_bgr(write: Write) -> None:
    model = network()
    found = Classifier(write(model), overrides=replace(SAID, colour="bgr")).classify(PICTURE).scores
    assert np.allclose(found, expected(model, PICTURE[..., ::-1]), atol=1e-5)


def test_an_input_of_one_channel_takes_grey(write: Write) -> None:
    classifier = Classifier(write(network(channels=1)), overrides=SAID)
    assert settled(classifier).colour == "grey"
    assert not any("colour" in line for line in classifier.assumptions)
    dark, bright = (
        classifier.classify(np.full((30, 30, 3), value, np.uint8)).scores[0] for value in (0, 255)
    )
    assert dark < 0.1 < 0.9 < bright


def test_a_single_output_is_no_classifier(write: Write) -> None:
    given = keras.Input(batch_shape=(1, HEIGHT, WIDTH, 3))
    model = keras.Model(given, layers.Dense(1)(layers.GlobalAveragePooling2D()(given)))
    with pytest.raises(ModelFileError, match=r"shape \(1, 1\), expected .* at least 2 classes"):
        Classifier(write(model), overrides=SAID)


def test_a_map_is_no_classifier(write: Write) -> None:
    given = keras.Input(batch_shape=(1, HEIGHT, WIDTH, 3))
    with pytest.raises(ModelFileError, match=r"shape \(1, 12, 16, 2\), expected a number for each"):
        Classifier(write(keras.Model(given, layers.Conv2D(2, 1)(given))), overrides=SAID)


def test_several_outputs_are_no_classifier(write: Write) -> None:
    given = keras.Input(batch_shape=(1, HEIGHT, WIDTH, 3))
    means = layers.GlobalAveragePooling2D()(given)
    model = keras.Model(given, [layers.Dense(4)(means), layers.Dense(3)(means)])
    with pytest.raises(ModelFileError, match="2 output tensors, expected one"):
        Classifier(write(model), overrides=SAID)


def test_channels_that_come_first_are_told(write: Write) -> None:
    given = keras.Input(batch_shape=(1, 3, HEIGHT, WIDTH))
    turned = layers.Permute((2, 3, 1))(given)
    model = keras.Model(given, layers.Dense(3)(layers.GlobalAveragePooling2D()(turned)))
    with pytest.raises(ModelFileError, match=r"\(1, 3, 12, 16\).*channels come first"):
        Classifier(write(model), overrides=SAID)


def test_an_input_of_16_bits_is_told(write: Write) -> None:
    with pytest.raises(ModelFileError, match="it takes int16"):
        Classifier(write(network(), "int16"), overrides=SAID)


def test_an_input_without_a_size_is_told(write: Write) -> None:
    given = keras.Input((None, None, 3))
    model = keras.Model(given, layers.Dense(3)(layers.GlobalAveragePooling2D()(given)))
    with pytest.raises(ModelFileError, match="without a fixed size"):
        Classifier(write(model), overrides=SAID)


def test_what_the_runtime_refuses_is_told_in_one_line_with_what_to_do(write: Write) -> None:
    """A dimension of quantization that no tensor has: LiteRT says so of each, run together."""
    path = write(network(), "int8")
    graph = ModelT.InitFromPackedBuf(path.read_bytes())
    for tensor in graph.subgraphs[0].tensors:
        if tensor.quantization is not None and tensor.quantization.scale is not None:
            tensor.quantization.quantizedDimension = 9
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(graph.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    with pytest.raises(ModelFileError) as told:
        Classifier(path, overrides=SAID)
    reason, _, advice = str(told.value).partition("does not accept the model: ")[2].partition(". C")
    assert reason.count("quantized_dimension must be in range") == 1
    assert "Tensor" not in reason
    assert "opy the file again" in advice


def test_a_batch_that_is_free_is_one_picture(write: Write) -> None:
    given = keras.Input((HEIGHT, WIDTH, 3))
    means = layers.GlobalAveragePooling2D()(given)
    model = keras.Model(given, layers.Dense(3, activation="softmax")(means))
    found = Classifier(write(model), overrides=SAID).classify(PICTURE).scores
    assert np.allclose(found, expected(model, PICTURE), atol=1e-5)


def test_a_float_models_own_metadata_normalise_its_input(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, path = network(), write(network())
    wanted = _metadata([127.5], [127.5])
    monkeypatch.setattr(tflite_metadata, "metadata", lambda contract: wanted)
    path.write_bytes(described(path.read_bytes(), CONTRACT).replace(b"VEDETTE", b"NOBODYS"))
    classifier = Classifier(path, overrides=ModelOverrides(labels=LABELS))
    assert settled(classifier).mean == settled(classifier).std == (127.5,)
    assert settled(classifier).confidence.unknown_below == 0.625
    assert np.allclose(classifier.classify(PICTURE).scores, expected(model, PICTURE), atol=1e-5)
    other = Classifier(path, overrides=replace(SAID, mean=(0.0,), std=(255.0,)))
    assert settled(other).std == (255,)


@pytest.mark.parametrize(("mean", "std"), [([1.0, 2.0], [1.0]), ([0.0], [0.0]), ([0.0], [])])
def test_metadata_that_cannot_be_are_refused(
    write: Write, monkeypatch: pytest.MonkeyPatch, mean: list[float], std: list[float]
) -> None:
    path = write(network())
    wanted = _metadata(mean, std)
    monkeypatch.setattr(tflite_metadata, "metadata", lambda contract: wanted)
    path.write_bytes(described(path.read_bytes(), CONTRACT).replace(b"VEDETTE", b"NOBODYS"))
    with pytest.raises(ModelFileError, match=r"(mean|std) (has|is)"):
        Classifier(path, overrides=ModelOverrides(labels=LABELS))


def test_metadata_cut_anywhere_are_read_or_refused() -> None:
    schema = read_schema(
        Path(tflite_metadata.__file__).with_name("metadata.fbs").read_text("utf-8")
    )
    whole = flatbuffer(schema, "ModelMetadata", _metadata([1, 2, 3], [4, 5, 6]), b"M001")
    found = read_metadata(whole, {"labels.txt": b"red\ngreen\nblue\n"})
    assert (found.mean, found.std, found.colour) == ((1, 2, 3), (4, 5, 6), "rgb")
    assert (found.labels_text, found.unknown_below) == ("red\ngreen\nblue\n", 0.625)
    refused = 0
    for length in range(1, len(whole)):
        try:
            read_metadata(whole[:length], {})
        except ModelFileError:
            refused += 1
    assert refused > len(whole) // 2


def _metadata(mean: list[float], std: list[float]) -> Any:
    wanted = tflite_metadata.metadata(CONTRACT)
    (unit,) = wanted["subgraph_metadata"][0]["input_tensor_metadata"][0]["process_units"]
    unit["options"] = {"mean": mean, "std": std}
    return wanted
