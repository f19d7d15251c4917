"""A graph takes less room, and nothing that it holds or gives is changed."""

from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from flatbuffers import Builder
from keras import layers
from numpy.typing import NDArray
from tensorflow.lite.python.schema_py_generated import Model, ModelT

from vedette_convert.quantization.converter import quantize
from vedette_convert.quantization.scheme import QUANTIZATIONS, Scheme
from vedette_convert.quantization.serialization import compact
from vedette_convert.sources.keras_loader import load_run_model
from vedette_edge.images.preprocessing import Image
from vedette_edge.model.graph import read_graph
from vedette_edge.model.interpreter import PLAIN, find_runtime
from vedette_train.models.efficientnet_lite0 import lite0, load_imagenet
from vedette_train.models.fold_batchnorm import fold_batchnorm

RUNTIMES: dict[str, Callable[..., Any]] = {
    "delegate": find_runtime().interpreter_class,
    "no delegate": find_runtime().with_kernels(PLAIN).interpreter_class,
    "tensorflow": tf.lite.Interpreter,
}


def draw_images(size: int) -> list[Image]:
    random = np.random.default_rng(3)
    return list(random.integers(0, 256, (8, size, size, 3), np.uint8))


@pytest.fixture(scope="module")
def graph_of(run_folder: Path) -> Callable[[str], bytes]:
    """A trained network's graph, as TensorFlow's converter wrote it."""
    model = load_run_model(run_folder / "Trained_Weight.h5")
    return cache(lambda quantization: quantize(model, draw_images(48), Scheme(quantization)))


def compute_scores(graph: bytes, interpreter_class: Callable[..., Any]) -> NDArray[Any]:
    """Compute the outputs of a graph for the drawn images, as its bytes or floats."""
    interpreter = interpreter_class(model_content=graph)
    interpreter.allocate_tensors()
    (input,), (output,) = interpreter.get_input_details(), interpreter.get_output_details()
    outputs = []
    for image in draw_images(int(input["shape"][1])):
        interpreter.set_tensor(input["index"], image[np.newaxis].astype(input["dtype"]))
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(output["index"]))
    return np.stack(outputs)


def read_names(graph: bytes) -> list[bytes]:
    """Read the names of a graph's tensors."""
    return [bytes(one.name) for one in ModelT.InitFromPackedBuf(graph).subgraphs[0].tensors]


def write_without_names(graph: bytes) -> bytes:
    """Write a graph without its tensors' names, in the order of FlatBuffers' own builder."""
    builder, model = Builder(), ModelT.InitFromPackedBuf(graph)
    for tensor in model.subgraphs[0].tensors:
        tensor.name = b""
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated:UserWarning")
@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("quantization", QUANTIZATIONS)
def test_every_runtime_gives_the_same_scores_to_the_byte(
    quantization: str, runtime: str, graph_of: Callable[[str], bytes]
) -> None:
    graph = graph_of(quantization)
    before, after = (compute_scores(one, RUNTIMES[runtime]) for one in (graph, compact(graph)))
    assert len(np.unique(before)) > 3
    assert before.tobytes() == after.tobytes()


@pytest.mark.parametrize("quantization", QUANTIZATIONS)
def test_a_graph_holds_what_it_held_before_but_for_names(
    quantization: str, graph_of: Callable[[str], bytes]
) -> None:
    graph = graph_of(quantization)
    assert write_without_names(compact(graph)) == write_without_names(graph)
    assert read_graph(compact(graph)) == read_graph(graph)


@pytest.mark.parametrize("quantization", QUANTIZATIONS)
def test_a_tensor_keeps_the_name_of_its_first_operation(
    quantization: str, graph_of: Callable[[str], bytes]
) -> None:
    graph = graph_of(quantization)
    for before, after in zip(read_names(graph), read_names(compact(graph)), strict=True):
        first = before.split(b";")[0]
        assert first == after or first.endswith(b"/" + after)
        assert first.removesuffix(after).count(b"/") in (0, 2)


@pytest.mark.parametrize("quantization", QUANTIZATIONS)
def test_the_same_graph_gives_the_same_bytes_and_a_compact_one_itself(
    quantization: str, graph_of: Callable[[str], bytes]
) -> None:
    graph = graph_of(quantization)
    assert compact(graph) == compact(graph) == compact(compact(graph))


def build_separable() -> keras.Model:
    """Build a network in which many layers have as many channels, as backbones do."""
    x = image = keras.Input((32, 32, 3))
    for _ in range(6):
        x = layers.SeparableConv2D(64, 3, padding="same", activation="relu")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(3, activation="softmax")(x))


def count_zero_points(graph: bytes) -> Counter[tuple[int, int]]:
    """Each place where zero points lie, and their number, with the tensors that have them."""
    subgraph = Model.GetRootAs(graph).Subgraphs(0)
    tensors = [subgraph.Tensors(number) for number in range(subgraph.TensorsLength())]
    quantized = [one for tensor in tensors if (one := tensor.Quantization())]
    slot = 10  # the field's place in a vtable of QuantizationParameters
    return Counter(
        (one._tab.Vector(one._tab.Offset(slot)), one.ZeroPointLength())
        for one in quantized
        if one.ZeroPointLength() > 1
    )


def test_zero_points_of_as_many_channels_lie_in_one_place() -> None:
    graph = quantize(build_separable(), draw_images(32))
    before, after = count_zero_points(graph), count_zero_points(compact(graph))
    assert len(before) == before.total() == after.total() == 24
    assert {length: tensors for (_, length), tensors in after.items()} == {3: 2, 64: 22}
    assert len(after) == 2
    assert len(graph) - len(compact(graph)) > 20 * 64 * 8


def test_the_first_9_blocks_of_lite0_with_50_classes_take_less_than_half_a_megabyte() -> None:
    load_imagenet(whole := lite0(96, 96))
    network = fold_batchnorm(whole)
    kinds = ("project_conv", "add", "project_conv", "add", "add", "project_conv")
    blocks = [network.get_layer(f"blocks.{n}.{kind}").output for n, kind in enumerate(kinds, 3)]
    dense = [layers.Dense(50)(layers.GlobalAveragePooling2D()(block)) for block in blocks]
    scores = layers.Softmax()(layers.Add()(dense))
    graph = quantize(keras.Model(network.input, scores), draw_images(96))
    assert len(graph) > 500_000 > len(compact(graph))
