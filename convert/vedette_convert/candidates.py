"""Candidates: quantized graphs of one model, each judged against the float model."""

import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from time import perf_counter

import keras

from vedette_convert.evaluation import kernel_check, layer_error
from vedette_convert.evaluation.acceptance import Answer, Verdict, judge_answers
from vedette_convert.evaluation.comparison import (
    Latency,
    check_scores,
    compare_answers,
    compute_float_scores,
)
from vedette_convert.evaluation.layer_error import LayerActivations, LayerError
from vedette_convert.packaging.bundle import pack_model
from vedette_convert.quantization.converter import quantize
from vedette_convert.quantization.head_refit import INT8_OUT_OF_FOLD, refit_head
from vedette_convert.quantization.integer_features import read_features
from vedette_convert.quantization.scheme import FLOAT32, NEW, OLD, Fallback, Scheme
from vedette_convert.quantization.serialization import compact
from vedette_convert.run import TRAIN, Advance, Model, Photograph, Run, sample_photographs
from vedette_edge.head.record import PREFIX, HeadRecord
from vedette_edge.images.preprocessing import Image, preprocess
from vedette_edge.model import compatibility
from vedette_edge.model.classifier import Classifier
from vedette_edge.model.contract import Contract
from vedette_edge.model.graph import read_graph

MEASURED = 8  # test pictures for the error of each layer
TIMED = 50  # test pictures for the float graph's milliseconds

# Shows the progress of a task with so many steps; it gives a function to call after each.
Progress = Callable[[str, int], AbstractContextManager[Advance]]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A quantized graph and the verdict on it."""

    name: str  # of its fallback
    quantization: str
    calibration: int  # pictures that set its ranges
    graph: bytes
    contract: Contract  # the run's, or with the thresholds of a head that was fitted again
    latency: Latency
    answers: tuple[Answer, ...]
    verdict: Verdict
    objections: tuple[str, ...]  # the verdict's and the runtime's; none: it passes
    layers: tuple[LayerError, ...]  # none if activations stay float

    @property
    def title(self) -> str:
        """Its name for people."""
        return ", ".join(dict.fromkeys((self.quantization, self.name)))

    @property
    def meaning(self) -> str:
        """The verdict as a sentence without its period.

        Without a test part, it adds the accuracies out of fold, which the verdict does not judge.
        """
        meaning = f"{self.quantization} {self.verdict.meaning}"
        accuracies = self.contract.provenance.accuracies
        of_float, of_int8 = accuracies.get("float_out_of_fold"), accuracies.get(INT8_OUT_OF_FOLD)
        if self.verdict.known_pictures or of_float is None:
            return meaning
        meaning += f". Out of fold, float is right in {of_float:.1%} of the pictures"
        return meaning if of_int8 is None else f"{meaning}, int8 in {of_int8:.1%}"


@dataclass(frozen=True, slots=True)
class ConversionResult:
    """All candidates of a conversion, and the best."""

    candidates: tuple[Candidate, ...]  # in the order of trying
    best: Candidate  # the one that passed or, if none did, the one that agrees most
    float_bytes: int  # of the model as a float32 graph
    float_ms: float  # that graph's median milliseconds a picture
    failures: tuple[str, ...]  # reasons why fallbacks gave no graph, a line each
    file: Path  # the model file; written if one passed
    seconds: Mapping[str, float]  # that each stage took

    @property
    def passed(self) -> bool:
        """True if the gate passed the file, which was then written."""
        return not self.best.objections

    @property
    def report(self) -> Path:
        """The page for people."""
        return self.file.with_suffix(".report.html")

    @property
    def accuracy(self) -> float | None:
        """0..1, of the .tflite on the test part; None without true labels."""
        return self.best.verdict.tflite_accuracy

    @property
    def float_accuracy(self) -> float | None:
        """The same of the float model."""
        return self.best.verdict.float_accuracy

    @property
    def agreement(self) -> float:
        """0..1, share of the test pictures to which both give the same label."""
        return self.best.verdict.agreement


class CandidateBuilder:
    """Builds the candidates of one model; they share calibration images and float scores.

    `float_graph` is the model as a float32 graph, `seconds` the time that each stage took. Raises
    ConversionError if the model's scores are all equal, or not finite.
    """

    def __init__(self, model: Model, run: Run, runtime: str, progress: Progress) -> None:
        self.run, self.seconds = run, defaultdict[str, float](float)
        self._model, self._runtime, self.progress = model, runtime, progress
        self._calibration: list[Image] = []  # the largest sample so far
        self._tried: set[tuple[Scheme, tuple[int, ...]]] = set()
        self._graphs: set[bytes] = set()
        self.float_graph = self._quantize(model, FLOAT32, [], "converting the float model")
        task, judged = "running the float model", run.judged
        with self.measure("judge"), progress(task, len(judged)) as advance:
            self._float_scores = compute_float_scores(model, judged, run.contract, advance)
        check_scores(self._float_scores, run.weights)

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Add the time that the block takes to a stage."""
        started = perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += perf_counter() - started

    def build(self, fallback: Fallback) -> Candidate | None:
        """Build and judge a candidate. None if the fallback changes nothing.

        Raises ConversionError for a graph that cannot be built or run.
        """
        images = self._read_calibration(fallback) if fallback.scheme.calibrated else []
        way = (fallback.scheme, tuple(map(id, images)))
        if way in self._tried:
            return None
        self._tried.add(way)
        task, graph = f"quantizing, {fallback.name}", self.float_graph
        if fallback.scheme != FLOAT32:
            graph = self._quantize(self._model, fallback.scheme, images, task)
        contract = self.run.contract
        if record := self._find_record(fallback):
            graph, contract = self._refit(graph, record, fallback, images)
        if graph in self._graphs:
            return None
        self._graphs.add(graph)
        return self._judge(fallback, len(images), graph, contract)

    def measure_float_ms(self) -> float:
        """Measure the median time of the edge's Classifier for a picture, with the float graph."""
        with self.measure("judge"):
            timed, task = self.run.judged[:TIMED], "timing the float model"
            _, latency = self._compare(self.float_graph, timed, task)
        return latency.score_ms

    def _find_record(self, fallback: Fallback) -> HeadRecord | None:
        """Return the record of a head that is fitted again to the fallback's features."""
        return self.run.head if fallback.scheme.quantization == "int8" else None

    def _refit(
        self, graph: bytes, record: HeadRecord, fallback: Fallback, images: Sequence[Image]
    ) -> tuple[bytes, Contract]:
        """Fit the head again to the graph's integers; returns the new graph and its contract."""
        run = self.run
        with self.measure("fit head"):
            task = f"fitting the head to integers, {fallback.name}"
            with self.progress(task, len(run.learned)) as advance:
                features = read_features(graph, run, record, advance)
            head, contract = refit_head(features, record, run.contract)
        model = keras.models.clone_model(self._model)
        model.set_weights(self._model.get_weights())
        for name, weights in head.layers(record.blocks).items():
            model.get_layer(name).set_weights(weights)
        task = f"quantizing with the fitted head, {fallback.name}"
        return self._quantize(model, fallback.scheme, images, task), contract

    def _read_calibration(self, fallback: Fallback) -> list[Image]:
        chosen = sample_photographs(self.run.select_part(TRAIN), fallback.calibration)
        new = chosen[len(self._calibration) :]  # a larger sample begins with the smaller one
        with self.measure("quantize"):
            with self.progress("reading calibration pictures", len(new)) as advance:
                for photograph in new:
                    self._calibration.append(preprocess(photograph.read(), self.run.contract))
                    advance()
            images = self._calibration[: len(chosen)]
            if not fallback.without_outliers:
                return images
            with self.progress("looking for outliers", len(images)) as advance:
                return layer_error.drop_outliers(self._float_layers, images, advance)

    def _quantize(self, model: Model, scheme: Scheme, images: Sequence[Image], task: str) -> bytes:
        with self.measure("quantize"), self.progress(task, len(images)) as advance:
            return compact(quantize(model, images, scheme, advance))

    def _judge(
        self, fallback: Fallback, calibration: int, graph: bytes, contract: Contract
    ) -> Candidate:
        with self.measure("judge"):
            kernel_check.check_kernels(graph, fallback.scheme.quantization)
            task = f"judging, {fallback.name}"
            answers, latency = self._compare(graph, self.run.judged, task)
            verdict = judge_answers(answers)
            return Candidate(
                name=fallback.name,
                quantization=fallback.scheme.quantization,
                calibration=calibration,
                graph=graph,
                contract=contract,
                latency=latency,
                answers=answers,
                verdict=verdict,
                objections=(*verdict.objections, *self._find_unrunnable(graph)),
                layers=tuple(self._measure_layers(graph, fallback)),
            )

    def _compare(
        self, graph: bytes, photographs: Sequence[Photograph], task: str
    ) -> tuple[tuple[Answer, ...], Latency]:
        scores = self._float_scores[: len(photographs)]
        classifier = load_classifier(graph, self.run.contract)
        with self.progress(task, len(photographs)) as advance:
            return compare_answers(classifier, photographs, scores, advance)

    def _find_unrunnable(self, graph: bytes) -> list[str]:
        if self._runtime != OLD:
            return []
        parts = compatibility.find_objections(read_graph(graph), arm=True)
        return [f"needs --runtime {NEW}: {compatibility.OLD} cannot run {one}" for one in parts]

    def _measure_layers(self, graph: bytes, fallback: Fallback) -> list[LayerError]:
        if not fallback.scheme.calibrated:
            return []
        photographs = sample_photographs(self.run.judged, MEASURED)[:MEASURED]
        images = [preprocess(one.read(), self.run.contract) for one in photographs]
        layers = LayerActivations(graph, self._model)
        errors = layer_error.measure_errors(self._float_layers, layers, images)
        if not self._find_record(fallback):
            return errors
        # A head that was fitted again has other activations and scores, which are no errors.
        scores = self._model.layers[-1].name
        return [one for one in errors if not one.layer.startswith(PREFIX) and one.layer != scores]

    @cached_property
    def _float_layers(self) -> LayerActivations:
        return LayerActivations(self.float_graph, self._model)


def load_classifier(graph: bytes, contract: Contract) -> Classifier:
    """Load the edge's Classifier from a graph that has no file yet."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "candidate.tflite")
        path.write_bytes(pack_model(graph, contract))
        return Classifier(path, just_converted=True)
