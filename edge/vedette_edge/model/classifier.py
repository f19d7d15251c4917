"""A model file, loaded once and checked, that names what a picture shows."""

import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedette_edge.errors import ModelFileError
from vedette_edge.images.preprocessing import Image, preprocess
from vedette_edge.model import compatibility, interpreter, model_file, sandbox, uncontracted
from vedette_edge.model.activation import softmax
from vedette_edge.model.contract import Contract
from vedette_edge.model.input_encoder import Feed, encode_bytes, encode_normalised
from vedette_edge.model.interpreter import Tensor, TFLiteModel
from vedette_edge.model.model_file import ModelFile
from vedette_edge.model.overrides import ModelOverrides
from vedette_edge.model.uncontracted import AssumedContract

Scores = NDArray[np.float32]

NOTHING_SAID = ModelOverrides()
LARGE_BYTES = 256 << 20  # of a graph's tensors; EfficientNet-Lite0 at 192 px has 9 MB
KINDS = ("uint8", "float32")  # of inputs and outputs; either way the input takes 0..255


@dataclass(frozen=True, slots=True)
class Classification:
    """What a model says of one picture."""

    label: str  # of the highest score, the first of equals
    score: float  # 0..1
    scores: Scores  # 0..1, in the order of the labels
    labels: tuple[str, ...]

    def top(self, count: int) -> list[tuple[str, float]]:
        """The `count` highest labels with their scores, best first."""
        best = np.argsort(-self.scores, kind="stable")[:count]
        return [(self.labels[index], float(self.scores[index])) for index in best]


class Classifier:
    """`Classifier("model.tflite").classify(picture_rgb)`.

    Raises ModelFileError if the file is damaged, cannot run on this machine's runtime, its graph
    contradicts its contract or it has none and nobody says enough of it, and RuntimeMissingError
    where no TFLite interpreter works.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        threads: int | None = None,
        overrides: ModelOverrides = NOTHING_SAID,
    ) -> None:
        """`threads` is for the interpreter; by default one a core, at most four.

        `said` is for a model without a contract, `contract` then what was settled on.
        """
        self.model = model_file.read_model_file(Path(path))
        runtime, threads = interpreter.find_runtime(), threads or min(4, os.cpu_count() or 1)
        try:
            _check_unsaid(self.model.contract, overrides)
            compatibility.check_compatible(self.model.graph, runtime.name, platform.machine())
            if self.model.contract is None or self.model.graph.tensor_bytes > LARGE_BYTES:
                sandbox.probe_model(self.model.data, threads)
            self.network = TFLiteModel(self.model.data, threads, runtime)
            self.contract: Contract | AssumedContract = _settled(
                self.model, self.network, overrides
            )
            self._feed = _feed(self.contract, self.network.input)
            self._scores = _scores(self.contract, self.network.output)
        except ModelFileError as error:
            raise ModelFileError(f"{path}: {error}") from error

    def classify(self, picture_rgb: Image) -> Classification:
        """Classify a picture: uint8, height x width x 3, R G B, upright, of any size."""
        return self.score(preprocess(picture_rgb, self.contract))

    def score(self, prepared: Image) -> Classification:
        """Classify what `prepare` made of a picture."""
        scores = self._scores(self.invoke(prepared).ravel())
        best, labels = int(scores.argmax()), self.contract.labels
        return Classification(labels[best], float(scores[best]), scores, labels)

    def invoke(self, prepared: Image) -> NDArray[Any]:
        """The output tensor's content, as it is, for what `prepare` made of a picture."""
        return self.network.run(self._feed(prepared))

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What nobody said of a model without a contract, a line each; none for one that has it."""
        return self.contract.assumptions if isinstance(self.contract, AssumedContract) else ()


def _check_unsaid(contract: Contract | None, said: ModelOverrides) -> None:
    if contract is not None and said != NOTHING_SAID:
        raise ModelFileError(
            f"carries its own contract; {said.flags()} would contradict it. Leave that out"
        )


def _settled(
    model: ModelFile, network: TFLiteModel, said: ModelOverrides
) -> Contract | AssumedContract:
    if model.contract is None:
        return uncontracted.resolve_contract(model, network, said)
    _check_agrees(model.contract, network.input, network.output)
    return model.contract


def _feed(contract: Contract | AssumedContract, given: Tensor) -> Feed:
    if isinstance(contract, Contract):
        return encode_bytes(given)
    return encode_normalised(given, contract.colour, contract.mean, contract.std)


def _scores(contract: Contract | AssumedContract, made: Tensor) -> Callable[[NDArray[Any]], Scores]:
    """From the output tensor's content to scores, 0..1."""
    if isinstance(contract, AssumedContract) and contract.logits:
        return lambda content: softmax(made.values(content))
    if not made.scale or np.dtype(made.dtype).itemsize > 1:
        return made.values
    table = made.values(np.arange(256, dtype=np.uint8).view(made.dtype))
    return lambda content: table[content.view(np.uint8)]  # quicker than arithmetic, and equal


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
