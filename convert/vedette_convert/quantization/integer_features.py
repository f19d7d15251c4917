"""Features of images, computed by the quantized backbone as integers."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import IO

import numpy as np
from numpy.typing import NDArray
from tensorflow.lite.python.schema_py_generated import BuiltinOperator, ModelT

from vedette_convert.errors import ConversionError
from vedette_convert.quantization.serialization import find_layer, serialize
from vedette_convert.run import Advance, Run
from vedette_edge.head.covariance import Floats, Labels
from vedette_edge.head.record import HeadRecord
from vedette_edge.images.preprocessing import Image, preprocess
from vedette_edge.model.interpreter import find_runtime

AT_A_TIME = 64  # images that are decoded and preprocessed side by side


@dataclass(frozen=True, slots=True)
class IntegerFeatures:
    """Features of the images that a head is fitted to, as 8-bit integers."""

    labels: Labels  # class index of each image
    folds: NDArray[np.intp]  # one for each image
    integers: tuple[NDArray[np.int8], ...]  # images x features, of the plain, then the mirrored
    scales: Floats  # feature; an integer q stands for (q - zero point) * scale
    zero_points: Floats  # feature

    def views(self, places: NDArray[np.intp]) -> Iterator[Floats]:
        """Return the features of some images, a row each, view by view."""
        return ((rows[places] - self.zero_points) * self.scales for rows in self.integers)


class FeatureReader:
    """The backbone of an int8 graph, ready to run."""

    def __init__(self, graph: bytes, record: HeadRecord) -> None:
        exposed = _expose_features(graph, [block.layer for block in record.blocks])
        interpreter_class = find_runtime().interpreter_class
        self._interpreter = interpreter_class(model_content=exposed, num_threads=os.cpu_count())
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._outputs = self._interpreter.get_output_details()

    def read(self, prepared: Image) -> NDArray[np.int8]:
        """Compute the features of a preprocessed image."""
        self._interpreter.set_tensor(self._input, prepared[np.newaxis])
        self._interpreter.invoke()
        parts = [self._interpreter.get_tensor(one["index"]).ravel() for one in self._outputs]
        return np.concatenate(parts)

    def read_quantization(self, index: int) -> Floats:
        """Read scales (`index` 0) or zero points (1) of the features."""
        values = [one["quantization"][index] for one in self._outputs]
        widths = [int(np.prod(one["shape"])) for one in self._outputs]
        return np.repeat(values, widths).astype(np.float32)


def read_features(graph: bytes, run: Run, record: HeadRecord, advance: Advance) -> IntegerFeatures:
    """Run the quantized backbone on every image that the head is fitted to.

    Calls `advance` after each. The features are in mapped files without names: hundreds of
    megabytes for 100,000 images.
    """
    reader = FeatureReader(graph, record)
    with ExitStack() as stack:
        files = [stack.enter_context(TemporaryFile()) for _ in range(1 + record.mirrored)]
        for prepared in _prepare(run):
            mirrored = np.ascontiguousarray(prepared[:, ::-1])
            for file, view in zip(files, (prepared, mirrored), strict=False):
                file.write(reader.read(view).tobytes())
            advance()
        integers = tuple(_map_rows(file, sum(record.widths)) for file in files)
    names = {label: index for index, label in enumerate(run.contract.labels)}
    return IntegerFeatures(
        labels=np.array([names[photograph.label] for photograph in run.learned]),
        folds=np.array(record.folds),
        integers=integers,
        scales=reader.read_quantization(0),
        zero_points=reader.read_quantization(1),
    )


def _map_rows(file: IO[bytes], width: int) -> NDArray[np.int8]:
    """Map the rows of a file, which may be closed afterwards."""
    file.flush()
    return np.memmap(file, np.int8, "r").reshape(-1, width)


def _prepare(run: Run) -> Iterator[Image]:
    """Preprocess the learned photographs, several at a time and a few ahead."""
    photographs = run.learned
    with ThreadPoolExecutor(os.cpu_count()) as workers:  # OpenCV releases the GIL
        for start in range(0, len(photographs), AT_A_TIME):
            some = photographs[start : start + AT_A_TIME]
            yield from workers.map(lambda one: preprocess(one.read(), run.contract), some)


def _expose_features(graph: bytes, layers: Sequence[str]) -> bytes:
    """Make the inputs of some Dense layers the outputs of the graph, in their order."""
    model = ModelT.InitFromPackedBuf(graph, 0)
    subgraph = model.subgraphs[0]
    inputs = {}
    for operator in subgraph.operators:
        code = model.operatorCodes[operator.opcodeIndex].builtinCode
        if code == BuiltinOperator.FULLY_CONNECTED:
            for tensor in (operator.inputs[1], operator.outputs[0]):  # weights, or the result
                if layer := find_layer(subgraph.tensors[tensor].name.decode(), layers):
                    inputs[layer] = operator.inputs[0]
    if missing := [layer for layer in layers if layer not in inputs]:
        raise ConversionError(
            f"the graph has no layer {', '.join(missing)} of head.json. "
            "They are not of one run: train again"
        )
    subgraph.outputs = [inputs[layer] for layer in layers]
    model.signatureDefs = []
    return serialize(model)
