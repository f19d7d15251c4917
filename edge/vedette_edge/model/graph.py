"""Read a .tflite graph without an interpreter: its operators, tensors and metadata.

Everything that an interpreter follows is checked, so that a cut or strange file is an error here
and not a crash there. Slots and codes are those of TFLite's public schema, version 3.
"""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TypeVar

from vedette_edge.model.flatbuffer_reader import DamagedError, Table, read_root

VERSION = 3
LARGEST_TENSOR = 64 << 20  # elements
LONGEST_NAME = 100  # characters, that are shown
MOST_DIMENSIONS = 16  # of a tensor; TFLite's own kernels have at most 8
_CUSTOM, _FULLY_CONNECTED = 32, 9  # BuiltinOperator
_INT8 = 9  # TensorType
_PASSING_ON = ("QUANTIZE", "DEQUANTIZE", "RESHAPE", "SQUEEZE")  # operators that change no score
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Operator:
    """A kind of operator in a graph."""

    name: str  # TFLite's, or the graph's own for a custom one
    version: int
    custom: bool


@dataclass(frozen=True, slots=True)
class Graph:
    """The parts of a .tflite graph that Vedette uses."""

    operators: tuple[Operator, ...]  # each kind once
    per_channel_dense: tuple[str, ...]  # weights of int8 Dense layers with a scale per output
    output_operator: str  # name of the operator that computes the scores
    metadata: Mapping[str, memoryview]  # other data in the file, by name


def read_graph(data: bytes) -> Graph:
    """Read a .tflite graph. Raises DamagedError, a ModelFileError, if it is not valid."""
    model = read_root(data)
    if (version := model.read_number(0, "I")) != VERSION:
        raise DamagedError(f"schema version {version}, expected {VERSION}")
    buffers = [buffer.read_bytes(0) for buffer in model.read_tables(4)]
    kinds = [_read_operator(code) for code in model.read_tables(1)]
    subgraphs = [_Subgraph(table, kinds, len(buffers)) for table in model.read_tables(2)]
    if not subgraphs:
        raise DamagedError("no graph in it")
    entries = model.read_tables(6)
    dense = {name for subgraph in subgraphs for name in subgraph.find_per_channel_dense()}
    return Graph(
        operators=tuple(dict.fromkeys(kinds)),
        per_channel_dense=tuple(sorted(dense)),
        output_operator=subgraphs[0].find_output_operator(),
        metadata={one.read_text(0): _pick(buffers, one.read_number(1, "I")) for one in entries},
    )


@cache
def read_operator_table() -> Mapping[int, Mapping[str, str]]:
    """Read operators.csv: code -> name, and the newest version in each old runtime, 0 if none."""
    text = files("vedette_edge.model").joinpath("operators.csv").read_text(encoding="utf-8")
    return {int(row["code"]): row for row in csv.DictReader(text.splitlines())}


def _read_operator(code: Table) -> Operator:
    # The first field has one byte; newer operators have their code in a later field.
    builtin = max(code.read_number(0, "b"), code.read_number(3, "i"))
    version = code.read_number(2, "i", default=1)
    if builtin == _CUSTOM:
        return Operator(code.read_text(1)[:LONGEST_NAME], version, custom=True)
    known = read_operator_table().get(builtin)
    return Operator(known["name"] if known else f"operator {builtin}", version, custom=False)


class _Subgraph:
    """Steps over tensors, with all their references checked."""

    def __init__(self, table: Table, kinds: Sequence[Operator], buffers: int) -> None:
        self._tensors = table.read_tables(0)
        for tensor in self._tensors:
            _check_tensor(tensor, buffers)
        steps = table.read_tables(3)
        self._steps = [(_pick(kinds, step.read_number(0, "I")), step) for step in steps]
        for number in (*table.read_numbers(1), *table.read_numbers(2)):
            _pick(self._tensors, number)
        for step in steps:
            for number in (*step.read_numbers(1), *step.read_numbers(2)):
                if number != -1:  # an optional input that is absent
                    _pick(self._tensors, number)
        self._outputs = table.read_numbers(2)

    def find_per_channel_dense(self) -> list[str]:
        """Names of the weights of int8 Dense layers that have a scale for each output."""
        dense = read_operator_table()[_FULLY_CONNECTED]["name"]
        inputs = [step.read_numbers(1) for kind, step in self._steps if kind.name == dense]
        weights = [self._tensors[one[1]] for one in inputs if len(one) > 1 and one[1] >= 0]
        int8 = [one for one in weights if one.read_number(1, "b") == _INT8]
        return [one.read_text(3)[:LONGEST_NAME] for one in int8 if _count_scales(one) > 1]

    def find_output_operator(self) -> str:
        """The operator that computes the output, past those that only pass it on."""
        producers = {number: entry for entry in self._steps for number in entry[1].read_numbers(2)}
        outputs, name = self._outputs[:1], ""
        for _ in self._steps:
            if not outputs or outputs[0] not in producers:
                break
            kind, step = producers[outputs[0]]
            name = kind.name
            if name not in _PASSING_ON:
                break
            outputs = step.read_numbers(1)[:1]
        return name


def _pick(items: Sequence[T], index: int) -> T:
    if not 0 <= index < len(items):
        raise DamagedError(f"index {index} of {len(items)} items")
    return items[index]


def _check_tensor(tensor: Table, buffers: int) -> None:
    shape = tensor.read_numbers(0)
    if len(shape) > MOST_DIMENSIONS:
        raise DamagedError(f"a tensor of {len(shape)} dimensions, at most {MOST_DIMENSIONS}")
    if min(shape, default=1) < 0 or math.prod(shape) > LARGEST_TENSOR:
        raise DamagedError(f"a tensor of shape {shape}, at most {LARGEST_TENSOR} elements")
    if (buffer := tensor.read_number(2, "I")) >= buffers:
        raise DamagedError(f"a tensor in buffer {buffer} of {buffers}")


def _count_scales(tensor: Table) -> int:
    quantization = tensor.read_table(4)
    return len(quantization.read_numbers(2, "f")) if quantization else 0
