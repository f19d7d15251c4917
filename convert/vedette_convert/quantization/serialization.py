"""TFLite models as flatbuffers, with short names and each vector stored once.

A per-channel tensor has a zero point for each channel, an int64 that is always 0. In
EfficientNet-Lite0 these take a tenth of the graph. In a flatbuffer, fields may share a vector.
"""

import re
from collections.abc import Container
from typing import Any

import numpy as np
from flatbuffers import Builder
from numpy.typing import NDArray
from tensorflow.lite.python.schema_py_generated import ModelT

IDENTIFIER = b"TFL3"
SCOPE = "model"  # the name scope that the converter traces a model in
_MODEL = re.compile(f"^{SCOPE}/[^/]+/(?=.)".encode())
BUFFER_ALIGNMENT = 16  # bytes; `force_align` of a buffer's data in TFLite's schema


def compact(graph: bytes) -> bytes:
    """Write a graph again, smaller; it computes the same. Equal graphs give equal bytes.

    `graph` is a .tflite with nothing appended. The converter names a tensor after all operations
    that it fused, each with the path of its models; the first operation's own name is enough for
    people and for layer errors.
    """
    model = ModelT.InitFromPackedBuf(graph)
    for subgraph in model.subgraphs:
        for tensor in subgraph.tensors:
            tensor.name = _MODEL.sub(b"", tensor.name.split(b";")[0])
    return serialize(model)


def find_layer(tensor: str, names: Container[str]) -> str:
    """Find the Keras layer in a tensor's name, such as net_1/conv_1/Relu;...

    Keras adds a number to the name of each layer that is called again, as all were. Empty if
    the tensor is of no layer.
    """
    parts = (re.sub(r"_\d+$", "", part) for part in tensor.split(";")[0].split("/"))
    return next((part for part in parts if part in names), "")


def serialize(model: ModelT) -> bytes:
    """Write a model of TensorFlow's object API.

    Aligns the data of each buffer as the schema requires; TensorFlow's converter does not.
    """
    builder = _SharingBuilder()
    builder.Finish(model.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())


class _SharingBuilder(Builder):  # type: ignore[misc]  # flatbuffers publishes no types
    """A Builder that writes equal vectors of numbers once.

    The object API accepts nothing but a Builder, hence the inheritance. Vectors of tables are
    not shared: they hold offsets, which may be equal though the tables differ.
    """

    def __init__(self) -> None:
        super().__init__()
        self._offsets: dict[tuple[str, bytes], int] = {}

    def CreateNumpyVector(self, x: NDArray[Any]) -> int:  # noqa: N802  flatbuffers' name
        """Write a vector unless an equal one was written before. Returns its offset."""
        key = (x.dtype.str, x.tobytes())  # of one type, so that the alignment is the same
        if key not in self._offsets:
            if x.dtype == np.uint8:  # the data of a buffer
                self.Prep(BUFFER_ALIGNMENT, x.size)
            self._offsets[key] = int(super().CreateNumpyVector(x))
        return self._offsets[key]
