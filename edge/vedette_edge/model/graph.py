"""What can be known of a graph without an interpreter: operators, tensors, metadata.

All that an interpreter follows is looked at, so that a cut or strange file is an error here
and no crash there. Slots and codes are those of TFLite's public schema, version 3.
"""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TypeVar

from vedette_edge.model.flatbuffer_reader import DamagedError, Table, root

VERSION = 3
LARGEST_TENSOR = 64 << 20  # elements
MOST_DIMENSIONS = 16  # of a tensor; TFLite's own kernels have at most 8
_CUSTOM, _FULLY_CONNECTED = 32, 9  # BuiltinOperator
_INT8 = 9  # TensorType
_BYTES = {0: 4, 1: 2, 2: 4, 4: 8, 7: 2, 8: 8, 10: 8}  # of an element by TensorType, else 1
T = TypeVar("T")
_PASSING_ON = ("QUANTIZE", "DEQUANTIZE", "RESHAPE", "SQUEEZE")  # operators that change no score


@dataclass(frozen=True, slots=True)
class Operator:
    """A kind of operator, as a graph asks for it."""

    name: str  # TFLite's, or the graph's own for a custom one
    version: int
    custom: bool


@dataclass(frozen=True, slots=True)
class Graph:
    """A .tflite's graph, read."""

    operators: tuple[Operator, ...]  # each kind once
    per_channel_dense: tuple[str, ...]  # weights of int8 Dense layers with a scale for each output
    output_operator: str  # name of the operator that makes the scores
    metadata: Mapping[str, memoryview]  # what the graph carries besides, by name
    tensor_bytes: int  # of all tensors together; an interpreter needs less, for many share room


def read_graph(data: bytes) -> Graph:
    """Read a .tflite. Raises DamagedError, a ModelFileError, for bytes that are none."""
    model = root(data)
    if (version := model.number(0, "I")) != VERSION:
        raise DamagedError(f"schema version {version}, expected {VERSION}")
    buffers = [buffer.content(0) for buffer in model.tables(4)]
    kinds = [_operator(code) for code in model.tables(1)]
    subgraphs = [_Subgraph(table, kinds, len(buffers)) for table in model.tables(2)]
    if not subgraphs:
        raise DamagedError("holds no graph")
    dense = {name for subgraph in subgraphs for name in subgraph.per_channel_dense()}
    return Graph(
        operators=tuple(dict.fromkeys(kinds)),
        per_channel_dense=tuple(sorted(dense)),
        output_operator=subgraphs[0].output_operator(),
        metadata=_metadata(model, buffers),
        tensor_bytes=sum(subgraph.tensor_bytes() for subgraph in subgraphs),
    )


@cache
def operator_table() -> Mapping[int, Mapping[str, str]]:
    """operators.csv: code -> name, and each old runtime's newest version, 0 where it has none."""
    text = files("vedette_edge.model").joinpath("operators.csv").read_text(encoding="utf-8")
    return {int(row["code"]): row for row in csv.DictReader(text.splitlines())}


def _operator(code: Table) -> Operator:
    # The first field is of one byte; newer operators have their code in a later one.
    builtin = max(code.number(0, "b"), code.number(3, "i"))
    version = code.number(2, "i", default=1)
    if builtin == _CUSTOM:
        return Operator(code.text(1), version, custom=True)
    known = operator_table().get(builtin)
    return Operator(known["name"] if known else f"operator {builtin}", version, custom=False)


class _Subgraph:
    """Steps over tensors, each of which is there."""

    def __init__(self, table: Table, kinds: Sequence[Operator], buffers: int) -> None:
        self._tensors = table.tables(0)
        for tensor in self._tensors:
            _check_tensor(tensor, buffers)
        self._steps = [(_at(kinds, one.number(0, "I")), one) for one in table.tables(3)]
        for number in (*table.numbers(1), *table.numbers(2)):
            _at(self._tensors, number)
        for _, step in self._steps:
            for number in (*step.numbers(1), *step.numbers(2)):
                if number != -1:  # an input that is left out
                    _at(self._tensors, number)
        self._outputs = table.numbers(2)

    def tensor_bytes(self) -> int:
        """Of all tensors, by their shapes and types."""
        return sum(
            math.prod(one.numbers(0)) * _BYTES.get(one.number(1, "b"), 1) for one in self._tensors
        )

    def per_channel_dense(self) -> list[str]:
        """Names of the weights of int8 Dense layers that have a scale for each output."""
        dense = _table_name(_FULLY_CONNECTED)
        inputs = [step.numbers(1) for kind, step in self._steps if kind.name == dense]
        weights = [self._tensors[one[1]] for one in inputs if len(one) > 1 and one[1] >= 0]
        return [one.text(3) for one in weights if one.number(1, "b") == _INT8 and _scales(one) > 1]

    def output_operator(self) -> str:
        """The operator that makes the output, past those that only pass it on."""
        makers = {made: entry for entry in self._steps for made in entry[1].numbers(2)}
        wanted, name = self._outputs[:1], ""
        for _ in self._steps:
            if not wanted or wanted[0] not in makers:
                break
            kind, step = makers[wanted[0]]
            name = kind.name
            if name not in _PASSING_ON:
                break
            wanted = step.numbers(1)[:1]
        return name


def _table_name(code: int) -> str:
    return operator_table()[code]["name"]


def _at(things: Sequence[T], place: int) -> T:
    if not 0 <= place < len(things):
        raise DamagedError(f"names number {place} of {len(things)} things")
    return things[place]


def _check_tensor(tensor: Table, buffers: int) -> None:
    shape = tensor.numbers(0)
    if len(shape) > MOST_DIMENSIONS:
        raise DamagedError(f"a tensor of {len(shape)} dimensions")
    if min(shape, default=1) < 0 or math.prod(shape) > LARGEST_TENSOR:
        raise DamagedError(f"a tensor of shape {shape}, at most {LARGEST_TENSOR} elements are read")
    if (buffer := tensor.number(2, "I")) >= buffers:
        raise DamagedError(f"a tensor's values lie in buffer {buffer} of {buffers}")


def _scales(tensor: Table) -> int:
    quantization = tensor.table(4)
    return len(quantization.numbers(2, "f")) if quantization else 0


def _metadata(model: Table, buffers: Sequence[memoryview]) -> dict[str, memoryview]:
    return {entry.text(0): _at(buffers, entry.number(1, "I")) for entry in model.tables(6)}
