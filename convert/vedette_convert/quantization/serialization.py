"""Writes a TFLite model as a flatbuffer with short names, in which equal vectors stand once.

A per-channel tensor has a zero point for each channel, an int64 that is always 0: in
EfficientNet-Lite0 these take a tenth of the graph. The format lets many fields point to one place.
"""

import re
from typing import Any

import numpy as np
from flatbuffers import Builder
from numpy.typing import NDArray
from tensorflow.lite.python.schema_py_generated import ModelT

IDENTIFIER = b"TFL3"
_WRAPPERS = re.compile(rb"^one_at_a_time(_\d+)?/[^/]+/(?=.)")  # the models around the layers
BUFFER_ALIGNMENT = 16  # bytes; `force_align` of a buffer's data in TFLite's schema


def compact(graph: bytes) -> bytes:
    """Write the graph again. Everything that is computed stays as it is.

    `graph` is a .tflite without anything appended. The same bytes come of the same graph. The
    converter names a tensor after all operations that it fused, each with the path of the models
    that it lies in; the first operation's own name is enough for people and for layer errors.
    """
    model = ModelT.InitFromPackedBuf(graph)
    for subgraph in model.subgraphs:
        for tensor in subgraph.tensors:
            tensor.name = _WRAPPERS.sub(b"", tensor.name.split(b";")[0])
    return serialize(model)


def serialize(model: ModelT) -> bytes:
    """The bytes of a model of TensorFlow's object API.

    Every buffer's data are aligned as the schema asks; TensorFlow's converter leaves them where
    they fall.
    """
    builder = _SharingBuilder()
    builder.Finish(model.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())


class _SharingBuilder(Builder):  # type: ignore[misc]  # flatbuffers publishes no types
    """A Builder that writes equal vectors of numbers once.

    It inherits because the object API takes nothing but a Builder. Vectors of tables are left
    alone: they hold distances, which are equal where the tables are not.
    """

    def __init__(self) -> None:
        super().__init__()
        self._offsets: dict[tuple[str, bytes], int] = {}

    def CreateNumpyVector(self, x: NDArray[Any]) -> int:  # noqa: N802  flatbuffers' name
        """The offset of a vector with these elements, which may have been written before."""
        key = (x.dtype.str, x.tobytes())  # of one type, so that the alignment is the same
        if key not in self._offsets:
            if x.dtype == np.uint8:  # the data of a buffer
                self.Prep(BUFFER_ALIGNMENT, x.size)
            self._offsets[key] = int(super().CreateNumpyVector(x))
        return self._offsets[key]
