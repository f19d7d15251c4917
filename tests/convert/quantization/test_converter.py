"""Each quantization, from Keras to the edge."""

import re
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from vedette_convert.candidates import load_classifier
from vedette_convert.errors import ConversionError
from vedette_convert.quantization.converter import quantize
from vedette_convert.quantization.scheme import FLOAT32, INT8, QUANTIZATIONS, Scheme
from vedette_convert.run import Model
from vedette_convert.sources.keras_loader import load_run_model
from vedette_edge.images import decoding
from vedette_edge.images.preprocessing import Image, preprocess
from vedette_edge.model.compatibility import find_objections
from vedette_edge.model.contract import Contract, parse_contract
from vedette_edge.model.graph import read_graph

# Beside float, as a share of 1: half an 8-bit output step, and what 8-bit weights add.
FURTHEST = {"int8": 0.05, "int16x8": 0.02, "dynamic": 0.02, "float16": 0.002, "float32": 1e-5}


@pytest.fixture(scope="module")
def model(run_folder: Path) -> Model:
    return load_run_model(run_folder / "Trained_Weight.h5")


@pytest.fixture(scope="module")
def contract(run_folder: Path) -> Contract:
    return parse_contract((run_folder / "contract.json").read_bytes())


@pytest.fixture(scope="module")
def prepared(shapes: Path, contract: Contract) -> list[Image]:
    return [
        preprocess(decoding.read_image(path), contract) for path in sorted(shapes.glob("*/*0.png"))
    ]


@pytest.mark.parametrize("quantization", QUANTIZATIONS)
def test_each_quantization_runs_at_the_edge_and_agrees(
    quantization: str, model: Model, contract: Contract, prepared: list[Image]
) -> None:
    graph = quantize(model, prepared, Scheme(quantization))
    classifier = load_classifier(graph, contract)
    kind = "uint8" if quantization == "int8" else "float32"
    assert classifier.network.input.dtype == classifier.network.output.dtype == kind
    assert classifier.network.input.shape == (1, 48, 48, 3)
    expected = model.predict_on_batch(np.stack(prepared))
    actual = np.stack([classifier.score(picture).scores for picture in prepared])
    assert np.array_equal(actual.argmax(axis=1), expected.argmax(axis=1))
    assert np.abs(actual - expected).max() <= FURTHEST[quantization]


@pytest.mark.parametrize("quantization", QUANTIZATIONS)
def test_the_oldest_runtime_has_every_operator(
    quantization: str, model: Model, prepared: list[Image]
) -> None:
    graph = quantize(model, prepared, Scheme(quantization))
    assert find_objections(read_graph(graph), arm=True) == []


def test_dense_layers_are_quantized_per_channel_only_on_request(
    model: Model, prepared: list[Image]
) -> None:
    graph = quantize(model, prepared, Scheme(dense_per_channel=True))
    assert len(read_graph(graph).per_channel_dense) == 2
    assert len(find_objections(read_graph(graph), arm=True)) == 1
    assert read_graph(quantize(model, prepared)).per_channel_dense == ()


def test_a_second_graph_of_a_model_has_the_same_bytes(model: Model, prepared: list[Image]) -> None:
    for scheme in (INT8, FLOAT32):
        assert quantize(model, prepared, scheme) == quantize(model, prepared, scheme)


def test_sizes_are_what_the_weights_numbers_take(model: Model, prepared: list[Image]) -> None:
    sizes = {name: len(quantize(model, prepared, Scheme(name))) for name in QUANTIZATIONS}
    assert sizes["float32"] == pytest.approx(4 * model.count_params(), rel=0.05)
    assert sizes["float16"] == pytest.approx(2 * model.count_params(), rel=0.05)
    for name in ("int8", "int16x8", "dynamic"):
        assert sizes[name] == pytest.approx(model.count_params(), rel=0.05)


def test_calibration_reports_each_image(model: Model, prepared: list[Image]) -> None:
    seen = []
    quantize(model, prepared, INT8, lambda: seen.append(1))
    assert len(seen) == len(prepared)


@pytest.mark.parametrize("quantization", ["int8", "int16x8"])
def test_without_pictures_integers_have_no_ranges(quantization: str, model: Model) -> None:
    with pytest.raises(ConversionError, match="calibrate"):
        quantize(model, [], Scheme(quantization))


def test_what_tflite_has_no_operation_for_is_named() -> None:
    hue = keras.layers.Lambda(lambda x: tf.image.adjust_hue(x, 0.1))
    model = keras.Sequential([keras.Input((8, 8, 3)), hue, keras.layers.Flatten()])
    with pytest.raises(ConversionError, match=r"tf\.AdjustHue"):
        quantize(model, [], Scheme("float32"))


def test_a_full_folder_for_temporary_files_is_named(
    model: Model, prepared: list[Image], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(ConversionError, match=re.escape(str(tmp_path))):
        quantize(model, prepared)
