"""TFLite's standard metadata: every reader finds it, and nothing else is touched."""

import json
import shutil
import subprocess
import zipfile
from dataclasses import replace
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from keras import layers
from numpy.typing import NDArray
from tensorflow.lite.python.schema_py_generated import Model, ModelT

from vedette_convert.packaging import tflite_metadata
from vedette_convert.packaging.bundle import pack_model
from vedette_convert.packaging.tflite_metadata import add_metadata
from vedette_edge.model.contract import Confidence, Contract, Provenance
from vedette_edge.model.model_file import MARK

SCHEMA = Path(tflite_metadata.__file__).with_name("metadata.fbs")
CONTRACT = Contract(
    labels=("apple", "pear", "Zwölffrüchte"),
    height=16,
    width=20,
    colour="rgb",
    resize_mode="crop",
    resize_rule="box-linear-exact-1",
    normalisation="unit",
    confidence=Confidence(temperature=1.0, unknown_below=0.625),
    provenance=Provenance("0" * 64, {"test": 0}, 0, {}, {}),
)
KINDS = ("float32", "float16", "dynamic", "int8", "uint8", "int16x8")
OPERATORS = {
    "int8": tf.lite.OpsSet.TFLITE_BUILTINS_INT8,
    "uint8": tf.lite.OpsSet.TFLITE_BUILTINS_INT8,
    "int16x8": tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8,
}


@cache
def quantize_graph(kind: str) -> bytes:
    """Quantize a small untrained network as one of the KINDS."""
    converter = tf.lite.TFLiteConverter.from_keras_model(build_network())
    if kind != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if kind == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if kind in OPERATORS:
        converter.representative_dataset = lambda: ([one] for one in draw_images("float32"))
        converter.target_spec.supported_ops = [OPERATORS[kind]]
    if kind in ("int8", "uint8"):
        converter.inference_input_type = converter.inference_output_type = tf.as_dtype(kind)
    return bytes(converter.convert())


def build_network() -> keras.Model:
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input(batch_shape=(1, CONTRACT.height, CONTRACT.width, 3)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(5, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(len(CONTRACT.labels), activation="softmax"),
        ]
    )


def draw_images(dtype: str) -> list[NDArray[Any]]:
    random, low = np.random.default_rng(5), -128 if dtype == "int8" else 0
    shape = (20, 1, CONTRACT.height, CONTRACT.width, 3)
    return list(random.integers(low, low + 256, shape).astype(dtype))


def compute_scores(graph: bytes) -> NDArray[Any]:
    """Compute the outputs of a graph for the drawn images, as its bytes or floats."""
    interpreter = Interpreter(model_content=graph)
    interpreter.allocate_tensors()
    (input,), (output,) = interpreter.get_input_details(), interpreter.get_output_details()
    outputs = []
    for image in draw_images(np.dtype(input["dtype"]).name):
        interpreter.set_tensor(input["index"], image)
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(output["index"]))
    return np.stack(outputs)


def list_operators(graph: bytes) -> list[str]:
    """List the operators of a graph once the delegate has taken its own."""
    interpreter = Interpreter(model_content=graph)
    interpreter.allocate_tensors()
    return [str(one["op_name"]) for one in interpreter._get_ops_details()]


def convert_plain(thing: Any) -> Any:
    """Convert TensorFlow's object of a graph to dicts and lists."""
    if isinstance(thing, np.ndarray):
        return thing.tolist()
    if isinstance(thing, list):
        return [convert_plain(one) for one in thing]
    return (
        {key: convert_plain(value) for key, value in vars(thing).items()}
        if hasattr(thing, "__dict__")
        else thing
    )


def read_entry(graph: bytes) -> bytes:
    """Read the bytes of the metadata, as other readers do."""
    model = ModelT.InitFromPackedBuf(graph)
    (buffer,) = [one.buffer for one in model.metadata if one.name == b"TFLITE_METADATA"]
    return bytes(model.buffers[buffer].data.tobytes())


def read_by_flatc(data: bytes, folder: Path) -> Any:
    """Read metadata with FlatBuffers' own compiler, as JSON."""
    flatc = shutil.which("flatc")
    if not flatc:
        pytest.skip("needs flatc: apt install flatbuffers-compiler")
    (folder / "metadata.bin").write_bytes(data)
    options = "--json --raw-binary --strict-json --defaults-json -o".split()
    subprocess.run([flatc, *options, folder, SCHEMA, "--", folder / "metadata.bin"], check=True)
    return json.loads((folder / "metadata.json").read_bytes())


def test_flatbuffers_own_compiler_reads_what_was_written(tmp_path: Path) -> None:
    data = read_entry(add_metadata(quantize_graph("uint8"), CONTRACT))
    assert data[4:8] == b"M001"
    metadata = read_by_flatc(data, tmp_path)
    assert metadata == tflite_metadata.build_metadata(CONTRACT)
    (subgraph,) = metadata["subgraph_metadata"]
    (image,), (score,) = subgraph["input_tensor_metadata"], subgraph["output_tensor_metadata"]
    assert image["content"]["content_properties"] == {"color_space": "RGB"}
    assert image["process_units"][0]["options"] == {"mean": [0], "std": [1]}
    assert image["stats"] == {"min": [0], "max": [255]}
    assert score["stats"] == {"min": [0], "max": [1]}
    assert score["process_units"][0]["options"] == {"global_score_threshold": 0.625}
    assert score["associated_files"][0]["type"] == "TENSOR_AXIS_LABELS"


def test_without_a_threshold_the_metadata_say_0(tmp_path: Path) -> None:
    contract = replace(CONTRACT, confidence=Confidence(temperature=1.0, unknown_below=0.0))
    data = read_by_flatc(read_entry(add_metadata(quantize_graph("uint8"), contract)), tmp_path)
    assert data == tflite_metadata.build_metadata(contract)


def test_the_labels_that_the_metadata_name_are_a_member_stored_as_it_is() -> None:
    packed = pack_model(quantize_graph("uint8"), CONTRACT)
    (score,) = tflite_metadata.build_metadata(CONTRACT)["subgraph_metadata"][0][
        "output_tensor_metadata"
    ]
    with zipfile.ZipFile(BytesIO(packed)) as archive:
        member = archive.getinfo(score["associated_files"][0]["name"])
        assert member.compress_type == zipfile.ZIP_STORED
        assert archive.read(member).decode().splitlines() == list(CONTRACT.labels)


@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_the_same_before_and_after(kind: str) -> None:
    before, after = (
        compute_scores(quantize_graph(kind)),
        compute_scores(add_metadata(quantize_graph(kind), CONTRACT)),
    )
    assert len(np.unique(before)) > 3
    assert np.array_equal(before, after)


@pytest.mark.parametrize("kind", KINDS)
def test_the_delegate_takes_as_much_as_before(kind: str) -> None:
    graph = quantize_graph(kind)
    assert list_operators(add_metadata(graph, CONTRACT)) == list_operators(graph)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_changed_but_what_is_added(kind: str) -> None:
    before = convert_plain(ModelT.InitFromPackedBuf(quantize_graph(kind)))
    after = convert_plain(ModelT.InitFromPackedBuf(add_metadata(quantize_graph(kind), CONTRACT)))
    first = len(before["buffers"])
    before["metadata"] += [
        {"name": name, "buffer": first + place}
        for place, name in enumerate((b"TFLITE_METADATA", MARK.encode()))
    ]
    before["buffers"] += after["buffers"][first:]
    assert after == before
    assert b"min_runtime_version" in [one["name"] for one in after["metadata"]]


@pytest.mark.parametrize("kind", KINDS)
def test_every_buffer_is_aligned_at_16_bytes(kind: str) -> None:
    graph = add_metadata(quantize_graph(kind), CONTRACT)
    assert graph[4:8] == b"TFL3"
    model = Model.GetRootAs(graph)
    tables = [model.Buffers(number) for number in range(model.BuffersLength())]
    # Slot 0, the fifth byte of a vtable, holds the data.
    starts = [one._tab.Vector(one._tab.Offset(4)) for one in tables if one.DataLength()]
    assert len(starts) > 4
    assert not any(start % 16 for start in starts)


def test_the_same_graph_gives_the_same_bytes() -> None:
    assert add_metadata(quantize_graph("uint8"), CONTRACT) == add_metadata(
        quantize_graph("uint8"), CONTRACT
    )
