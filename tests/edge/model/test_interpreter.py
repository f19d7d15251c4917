"""The interpreter: whatever a runtime objects to is an error of the file, in one line."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.edge.model.packing import unpack

from vedette_edge.errors import ModelFileError
from vedette_edge.model.interpreter import Tensor, TFLiteModel, find_runtime


@pytest.fixture
def graph(model: Path) -> bytes:
    return unpack(model)[0]


def test_a_quantized_number_stands_for_its_distance_from_the_zero_point_in_steps() -> None:
    content = np.array([0, 3, 255], np.uint8)
    quantized = Tensor("scores", (1, 3), "uint8", 0.5, 3)
    assert quantized.values(content).tolist() == [-1.5, 0.0, 126.0]
    assert quantized.values(content).dtype == np.float32
    plain = Tensor("scores", (1, 3), "float32", 0.0, 3)
    assert plain.values(content).tolist() == [0.0, 3.0, 255.0]
    floats = content.astype(np.float32)
    assert plain.values(floats) is floats  # no copy


def test_a_name_that_is_not_utf_8_is_a_refusal(graph: bytes) -> None:
    name = TFLiteModel(graph, 1, find_runtime()).input.name.encode()
    forged = graph.replace(name, b"\xff" * len(name))
    with pytest.raises(ModelFileError, match="refuses the model: 'utf-8' codec"):
        TFLiteModel(forged, 1, find_runtime())


def test_an_input_that_the_runtime_does_not_take_is_a_refusal(graph: bytes) -> None:
    network = TFLiteModel(graph, 1, find_runtime())
    for wrong in (np.zeros((1, 24, 31, 3), np.uint8), np.zeros(network.input.shape, np.float32)):
        with pytest.raises(ModelFileError, match="cannot run the model: Cannot set tensor"):
            network.run(wrong)


def test_an_output_that_changes_its_size_is_a_refusal(graph: bytes) -> None:
    network = TFLiteModel(graph, 1, find_runtime())
    network.output = replace(network.output, shape=(1, 4))
    with pytest.raises(ModelFileError, match="gives 3 numbers"):
        network.run(np.zeros(network.input.shape, network.input.dtype))
