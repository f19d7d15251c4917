"""A model file, loaded once and checked, that names what a picture shows."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vedette_edge import compatibility, interpreter, model_file
from vedette_edge.contract import Contract
from vedette_edge.errors import ModelFileError
from vedette_edge.interpreter import Network, Tensor
from vedette_edge.prepare import Picture, prepare

KINDS = ("uint8", "float32")  # of inputs and outputs; either way the input takes 0..255


@dataclass(frozen=True, slots=True)
class Classification:
    """What a model says of one picture."""

    label: str  # of the highest score, the first of equals
    score: float  # 0..1
    scores: NDArray[np.float32]  # 0..1, in the order of the labels
    labels: tuple[str, ...]

    def top(self, count: int) -> list[tuple[str, float]]:
        """The `count` highest labels with their scores, best first."""
        best = np.argsort(-self.scores, kind="stable")[:count]
        return [(self.labels[index], float(self.scores[index])) for index in best]


class Classifier:
    """`Classifier("model.tflite").classify(picture_rgb)`.

    Raises ModelFileError if the file is damaged, foreign, cannot run on this machine's runtime,
    or its graph contradicts its contract, and RuntimeMissingError where no TFLite interpreter
    works.
    """

    def __init__(self, path: str | os.PathLike[str], *, threads: int | None = None) -> None:
        """`threads` is for the interpreter; by default one a core, at most four."""
        self.model = model_file.read(Path(path))
        runtime = interpreter.installed()
        try:
            self.contract: Contract = _stated(self.model.contract)
            compatibility.check(self.model.graph, runtime.name, platform.machine())
            self.network = Network(self.model.data, threads or min(4, os.cpu_count() or 1), runtime)
            _check_agrees(self.contract, self.network.input, self.network.output)
        except ModelFileError as error:
            raise ModelFileError(f"{path}: {error}") from error

    def classify(self, picture_rgb: Picture) -> Classification:
        """Classify a picture: uint8, height x width x 3, R G B, upright, of any size."""
        return self.score(prepare(picture_rgb, self.contract))

    def score(self, prepared: Picture) -> Classification:
        """Classify what `prepare` made of a picture."""
        # A quantized input has scale 1 and zero point 0, so bytes are 0..255 for either dtype.
        given = prepared[np.newaxis].astype(self.network.input.dtype, copy=False)
        scores = self.network.output.values(self.network.run(given)[0])
        best = int(np.argmax(scores))
        labels = self.contract.labels
        return Classification(labels[best], float(scores[best]), scores, labels)


def _stated(contract: Contract | None) -> Contract:
    if contract is None:
        raise ModelFileError(
            "vedette-convert did not make it: it carries no contract, so what it expects cannot "
            "be known. Convert the model"
        )
    return contract


def _check_agrees(contract: Contract, given: Tensor, made: Tensor) -> None:
    """What the contract promises must be what the graph takes and gives."""
    expected = (1, contract.height, contract.width, 3)
    if given.shape != expected or given.dtype not in KINDS:
        raise ModelFileError(
            f"the graph takes {given.dtype} of shape {given.shape}, "
            f"its contract says {' or '.join(KINDS)} of shape {expected}"
        )
    if given.dtype == "uint8" and (given.scale, given.zero_point) != (1.0, 0):
        raise ModelFileError(
            f"the input has scale {given.scale} and zero point {given.zero_point}, expected 1 "
            "and 0: raw bytes go in, normalisation lies in the graph. Convert the model again"
        )
    if made.shape != (1, len(contract.labels)) or made.dtype not in KINDS:
        raise ModelFileError(
            f"the graph gives {made.dtype} of shape {made.shape}, its contract has "
            f"{len(contract.labels)} labels: shape {(1, len(contract.labels))} was expected. "
            "The labels are another model's"
        )
