"""Load, check and describe a model file, and classify images with it."""

import os
import platform
from collections.abc import Callable
from copy import copy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from vedette_edge.errors import ModelFileError, ScoresError, SettingError
from vedette_edge.images.decoding import read_image
from vedette_edge.images.preprocessing import Image, preprocess
from vedette_edge.model import compatibility, interpreter, model_file, probe, uncontracted
from vedette_edge.model.activation import softmax
from vedette_edge.model.contract import UNKNOWN, Contract
from vedette_edge.model.input_encoder import Encoder, encode_bytes, encode_normalised
from vedette_edge.model.interpreter import Tensor, TFLiteModel
from vedette_edge.model.model_file import ModelFile
from vedette_edge.model.overrides import ModelOverrides
from vedette_edge.model.uncontracted import AssumedContract

Scores = NDArray[np.float32]
ScoreReader = Callable[[NDArray[Any]], Scores]  # the output tensor's content -> scores, 0..1

NO_OVERRIDES = ModelOverrides()
KINDS = ("uint8", "float32")  # of inputs and outputs; either way the input takes 0..255


@dataclass(frozen=True, slots=True, eq=False)  # arrays have no single answer to ==
class Classification:
    """A model's answer for one image."""

    label: str  # `best`, or `unknown` where its score is below the contract's threshold for it
    best: str  # the label of the highest score, the first of equals
    score: float  # of `best`, 0..1
    scores: Scores  # 0..1, in the order of the labels
    labels: tuple[str, ...]

    def top(self, count: int) -> list[tuple[str, float]]:
        """The `count` highest labels with their scores, best first, without thresholds."""
        best = np.argsort(-self.scores, kind="stable")[: max(count, 0)]
        return [(self.labels[index], float(self.scores[index])) for index in best]


class Classifier:
    """`Classifier("model.tflite").classify("photo.jpg")`.

    Threads may share a classifier: its interpreter works for one of them at a time. `close`, or
    the end of a `with`, frees the interpreter.

    Raises ModelFileError if the file is damaged, cannot run on this machine's runtime, has a graph
    that contradicts its contract, or has no contract and too little is known about it; and
    RuntimeMissingError if no TFLite interpreter is installed.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        threads: int | None = None,
        overrides: ModelOverrides = NO_OVERRIDES,
        just_converted: bool = False,
    ) -> None:
        """`threads` of the interpreter: by default one per core, at most four.

        `overrides` are for a model without a contract; `contract` is then an AssumedContract.
        A graph can crash the runtime, so it first runs in a process of its own (see probe.py),
        unless this process has `just_converted` and run it: never say so of a file from elsewhere.
        """
        runtime, self._threads = interpreter.find_runtime(), _resolve_threads(threads)
        self.model = read_probed_model(Path(path), self._threads, skip=just_converted)
        try:
            self.network = TFLiteModel(self.model.data, self._threads, runtime)
            resolved = _resolve_contract(self.model, self.network, overrides)
        except ModelFileError as error:
            raise ModelFileError(f"{path}: {error}") from error
        self.contract, self._encode, self._read_scores = resolved
        thresholds = map(self.contract.confidence.threshold, self.contract.labels)
        self._thresholds = np.fromiter(thresholds, np.float32)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def duplicate(self) -> Self:
        """Create another classifier of the same model, to run beside this one."""
        other = copy(self)
        other.network = TFLiteModel(self.model.data, self._threads, interpreter.find_runtime())
        return other

    def close(self) -> None:
        """Free the interpreter. Whatever needs it raises ClosedError from then on."""
        self.network.close()

    @property
    def assumptions(self) -> tuple[str, ...]:
        """A line for each thing that neither the file nor the overrides state."""
        return self.contract.assumptions if isinstance(self.contract, AssumedContract) else ()

    def classify(self, image: Image | str | os.PathLike[str]) -> Classification:
        """Classify an image: a path, or uint8, height x width x 3, R G B, upright, of any size.

        Raises ImageError for a file that cannot be read and for anything else, and ScoresError,
        like `score`.
        """
        image_rgb = read_image(Path(image)) if isinstance(image, str | os.PathLike) else image
        return self.score(preprocess(image_rgb, self.contract))

    def score(self, preprocessed: Image) -> Classification:
        """Classify the result of `preprocess`.

        Raises ScoresError if the scores are not finite numbers.
        """
        scores = self._read_scores(self.invoke(preprocessed).ravel())
        index, labels = int(scores.argmax()), self.contract.labels
        best, known = labels[index], scores[index] >= self._thresholds[index]
        return Classification(
            best if known else UNKNOWN, best, float(scores[index]), scores, labels
        )

    def invoke(self, preprocessed: Image) -> NDArray[Any]:
        """The raw content of the output tensor for the result of `preprocess`."""
        return self.network.run(self._encode(preprocessed))


def find_threads() -> int:
    """The default number of threads: one per core, at most four."""
    return min(4, os.cpu_count() or 1)


def _resolve_threads(threads: int | None) -> int:
    if threads is None:
        return find_threads()
    if not isinstance(threads, int) or threads < 1:
        raise SettingError(f"threads is {threads!r}, expected a whole number from 1, or None")
    return threads


def read_probed_model(path: Path, threads: int | None, *, skip: bool) -> ModelFile:
    """Read a model file and probe it, unless `skip` is set. Raises ModelFileError."""
    model, runtime = model_file.read_model_file(path), interpreter.find_runtime()
    try:
        compatibility.check_compatible(model.graph, runtime.name, platform.machine())
        if not skip:
            probe.require_probed(model.data, _resolve_threads(threads), runtime)
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}") from error
    return model


def describe_model(classifier: Classifier) -> dict[str, Any]:
    """Describe a model's file, tensors, runtime and contract.

    `contract` is null for a model without one; `assumed` then has its substitute.
    """
    model, network = classifier.model, classifier.network
    file_bytes, graph_bytes = len(model.data), model.graph_bytes
    objections = compatibility.find_objections(model.graph, arm=True)
    contract = asdict(classifier.contract)
    return {
        "file": str(model.path),
        "bytes": {"file": file_bytes, "graph": graph_bytes, "packed": file_bytes - graph_bytes},
        "input": asdict(network.input),
        "output": asdict(network.output),
        "runtime": network.runtime,
        "delegate_partitions": network.count_partitions(),
        "old_runtime": {"name": compatibility.OLD, "objections": objections},
        "samples": len(model.samples),
        "contract": contract if model.contract else None,
        "assumed": None if model.contract else contract,
    }


def _resolve_contract(
    model: ModelFile, network: TFLiteModel, overrides: ModelOverrides
) -> tuple[Contract | AssumedContract, Encoder, ScoreReader]:
    """The contract, or else its substitute, and the ways to the input and from the output."""
    if contract := model.contract:
        if overrides != NO_OVERRIDES:
            flags = overrides.list_flags()
            raise ModelFileError(
                f"carries its own contract, which {flags} would contradict. Omit them"
            )
        _check_tensors(contract, network.input, network.output)
        return contract, encode_bytes(network.input), _build_score_reader(network.output)
    assumed = uncontracted.resolve_contract(model, network, overrides)
    encode = encode_normalised(network.input, assumed.colour, assumed.mean, assumed.std)
    return assumed, encode, _build_score_reader(network.output, logits=assumed.logits)


def _build_score_reader(output: Tensor, *, logits: bool = False) -> ScoreReader:
    if logits:
        return lambda content: softmax(_require_finite(output.values(content)))
    if not output.scale or np.dtype(output.dtype).itemsize > 1:
        return lambda content: _require_finite(output.values(content))
    table = _require_finite(output.values(np.arange(256, dtype=np.uint8).view(output.dtype)))
    return lambda content: table[content.view(np.uint8)]  # faster than arithmetic, and equal


def _require_finite(scores: Scores) -> Scores:
    finite = np.isfinite(scores)
    if finite.all():
        return scores
    raise ScoresError(
        f"{np.sum(~finite)} of {len(scores)} scores are not finite numbers, the first is "
        f"{scores[~finite][0]}: the model divides by zero or overflows for this picture. "
        "Ask its author for one that does not"
    )


def _check_tensors(contract: Contract, input_tensor: Tensor, output: Tensor) -> None:
    """Raise ModelFileError unless the graph's tensors match the contract."""
    expected = (1, contract.height, contract.width, 3)
    if input_tensor.shape != expected or input_tensor.dtype not in KINDS:
        raise ModelFileError(
            f"the graph takes {input_tensor.dtype} of shape {input_tensor.shape}, "
            f"its contract says {' or '.join(KINDS)} of shape {expected}"
        )
    scale, zero_point = input_tensor.scale, input_tensor.zero_point
    if input_tensor.dtype == "uint8" and (scale, zero_point) != (1.0, 0):
        raise ModelFileError(
            f"the input has scale {scale} and zero point {zero_point}, expected 1 and 0: "
            "raw bytes go in, and the graph normalises them. Convert the model again"
        )
    if output.shape != (1, len(contract.labels)) or output.dtype not in KINDS:
        raise ModelFileError(
            f"the graph gives {output.dtype} of shape {output.shape}, its contract has "
            f"{len(contract.labels)} labels: expected shape {(1, len(contract.labels))}. "
            "The labels belong to another model"
        )
