"""The same file on an old runtime and a new one; what the old one cannot run is read, not tried."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import flatbuffers
import keras
import numpy as np
import pytest
from click.testing import CliRunner
from tensorflow.lite.python.schema_py_generated import (
    ModelT,
    OperatorCodeT,
    SubGraphT,
    TensorT,
)

from vedette_convert.packaging.bundle import pack_model
from vedette_convert.quantization.converter import quantize
from vedette_convert.quantization.scheme import Scheme
from vedette_edge import Classifier, preprocess
from vedette_edge.__main__ import main as vedette
from vedette_edge.errors import ModelFileError
from vedette_edge.images import decoding
from vedette_edge.model import compatibility, interpreter
from vedette_edge.model.contract import Contract
from vedette_edge.model.graph import read_graph, read_operator_table

SCRIPT = Path(__file__).parents[1] / "old_runtime.py"
PACKAGES = ("tflite-runtime==2.14.0", "numpy<2", "opencv-python-headless<4.12", "click", "rich")
OLD = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3] / "edge")}


@pytest.fixture(scope="module")
def old_python(environment: Callable[..., Path]) -> Path:
    """The interpreter of an environment with tflite-runtime 2.14, without the edge."""
    if sys.version_info[:2] > (3, 11):
        pytest.skip("the last tflite-runtime is for Python 3.11")
    return environment("tflite-runtime", *PACKAGES)


def run_command(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=OLD)
    assert done.returncode == 0, done.stderr
    return done.stdout


def build_graph(code: int, version: int) -> bytes:
    """The smallest graph that names an operator, which is looked up though no step uses it."""
    operator, tensor, subgraph, model = OperatorCodeT(), TensorT(), SubGraphT(), ModelT()
    operator.builtinCode, operator.deprecatedBuiltinCode = code, min(code, 127)
    operator.version = version
    tensor.shape, tensor.name = [1], "x"
    subgraph.tensors, subgraph.inputs, subgraph.outputs = [tensor], [0], [0]
    subgraph.operators = []
    model.version, model.operatorCodes, model.subgraphs, model.buffers = (
        3,
        [operator],
        [subgraph],
        [],
    )
    builder = flatbuffers.Builder(256)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


@pytest.mark.timeout(600)  # the environment is made once
def test_the_old_runtime_has_the_operators_of_the_table_and_no_newer_ones(
    old_python: Path, tmp_path: Path
) -> None:
    newest = {code: int(row["tflite_2_14"]) for code, row in read_operator_table().items()}
    for code, version in newest.items():
        for offered in {max(1, version), version + 1}:
            (tmp_path / f"{code}-{offered}").write_bytes(build_graph(code, offered))
    accepted = run_command(old_python, SCRIPT, "offer", tmp_path).split()
    assert set(accepted) == {f"{code}-{version}" for code, version in newest.items() if version}


@pytest.fixture
def model(recipe_model: Path) -> Path:
    return recipe_model


@pytest.mark.timeout(600)
def test_both_runtimes_give_the_same_labels_and_replay_the_samples(
    old_python: Path, model: Path, shapes: Path, tmp_path: Path
) -> None:
    classifier = Classifier(model)
    assert classifier.network.runtime.startswith("ai-edge-litert")
    prepared = [
        preprocess(decoding.read_image(path), classifier.contract)
        for path in shapes.glob("*/*.png")
    ]
    np.save(tmp_path / "inputs.npy", np.stack(prepared))
    lines = run_command(old_python, SCRIPT, "scores", model, tmp_path / "inputs.npy").splitlines()
    old = np.array([json.loads(line) for line in lines])
    new = np.stack([classifier.score(one).scores for one in prepared]) * 256
    assert np.abs(old - new).max() <= 1
    leads = np.subtract(*np.sort(new, axis=1).T[:-3:-1])
    assert np.array_equal(old.argmax(axis=1)[leads > 2], new.argmax(axis=1)[leads > 2])
    assert (leads > 2).mean() > 0.9
    output = run_command(old_python, "-m", "vedette_edge", "check", model)
    assert len(classifier.model.samples) == 13
    assert "13 samples give the same results here as at conversion, on tflite-runtime" in output


@pytest.mark.timeout(900)  # another run is trained
def test_the_old_runtime_agrees_about_a_head_in_closed_form(
    old_python: Path, head_model: Path, shapes: Path, tmp_path: Path
) -> None:
    """Its entry for unknown is a product of two activations, BATCH_MATMUL."""
    classifier = Classifier(head_model)
    prepared = [
        preprocess(decoding.read_image(path), classifier.contract)
        for path in sorted(shapes.glob("*/*.png"))[::4]
    ]
    np.save(tmp_path / "inputs.npy", np.stack(prepared))
    lines = run_command(
        old_python, SCRIPT, "scores", head_model, tmp_path / "inputs.npy"
    ).splitlines()
    old = np.array([json.loads(line) for line in lines])
    new = np.stack([classifier.score(one).scores for one in prepared]) * 256
    # Rounding adds up through 16 blocks: their kernels are of other years.
    assert np.abs(old - new).max() <= 10
    assert np.array_equal(old.argmax(axis=1), new.argmax(axis=1))
    output = run_command(old_python, "-m", "vedette_edge", "check", head_model)
    assert f"{len(classifier.model.samples)} samples give the same results here" in output


def test_a_graph_too_new_for_the_old_runtime_is_refused_with_a_message(
    old_python: Path, model: Path, tmp_path: Path
) -> None:
    path = tmp_path / "new.tflite"
    path.write_bytes(change_operator(model, "CONV_2D", 99))
    command = [str(old_python), "-m", "vedette_edge", "check", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=OLD)
    assert done.returncode == 1
    assert "tflite-runtime 2.14.0" in done.stdout
    assert "CONV_2D version 99" in done.stdout


def test_inspect_says_what_the_old_runtime_cannot_run(model: Path, tmp_path: Path) -> None:
    description = inspect_model(model)
    assert description["old_runtime"] == {"name": "tflite-runtime 2.14", "objections": []}
    assert description["samples"] == 13
    path = tmp_path / "new.tflite"
    path.write_bytes(change_operator(model, "SOFTMAX", 4))
    (objection,) = inspect_model(path)["old_runtime"]["objections"]
    assert objection.startswith("SOFTMAX version 4")


def inspect_model(model: Path) -> dict[str, Any]:
    result = CliRunner().invoke(vedette, ["inspect", str(model), "--json"])
    assert result.exit_code == 0, result.stderr
    description: dict[str, Any] = json.loads(result.stdout)
    return description


def change_operator(model: Path, name: str, version: int) -> bytes:
    """Pack a model again, with another version of one of its operators."""
    classifier = Classifier(model)
    graph = ModelT.InitFromPackedBuf(classifier.model.data)
    codes = {row["name"]: code for code, row in read_operator_table().items()}
    (operator,) = (one for one in graph.operatorCodes if one.builtinCode == codes[name])
    operator.version = version
    graph.metadata, builder = [], flatbuffers.Builder(1 << 20)
    builder.Finish(graph.Pack(builder), b"TFL3")
    assert isinstance(classifier.contract, Contract)
    return pack_model(bytes(builder.Output()), classifier.contract)


@pytest.mark.parametrize("per_channel", [True, False])
def test_per_channel_dense_is_refused_on_the_old_runtime_on_arm_before_it_can_crash(
    per_channel: bool, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = keras.Sequential(
        [keras.Input((48, 48, 3)), keras.layers.Flatten(), keras.layers.Dense(3, "softmax")]
    )
    calibration = list(np.random.default_rng(0).integers(0, 256, (9, 48, 48, 3), np.uint8))
    contract = Classifier(model).contract
    assert isinstance(contract, Contract)
    graph = quantize(network, calibration, Scheme("int8", dense_per_channel=per_channel))
    path = tmp_path / "dense.tflite"
    path.write_bytes(pack_model(graph, contract))
    compatibility.check_compatible(read_graph(graph), "tflite-runtime 2.14.0", "x86_64")
    compatibility.check_compatible(read_graph(graph), "ai-edge-litert 2.3.0", "aarch64")
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    runtime = replace(interpreter.find_runtime(), name="tflite-runtime 2.14.0")
    monkeypatch.setattr(interpreter, "find_runtime", lambda: runtime)
    if per_channel:
        with pytest.raises(ModelFileError, match="per channel"):
            Classifier(path)
    else:
        assert Classifier(path).network.runtime == "tflite-runtime 2.14.0"
