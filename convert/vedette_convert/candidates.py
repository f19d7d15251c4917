"""One attempt after another at a graph that the gate lets pass."""

import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import keras

from vedette_convert.evaluation import kernel_check, layer_error
from vedette_convert.evaluation.acceptance import Answer, Verdict, judge_answers
from vedette_convert.evaluation.comparison import (
    Latency,
    Scores,
    check_scores,
    compare_answers,
    compute_float_scores,
)
from vedette_convert.evaluation.layer_error import LayerActivations, LayerError
from vedette_convert.packaging.bundle import pack_model
from vedette_convert.quantization.converter import quantize
from vedette_convert.quantization.fallbacks import Fallback
from vedette_convert.quantization.head_refit import INT8_OUT_OF_FOLD, refit_head, set_head
from vedette_convert.quantization.integer_features import read_features
from vedette_convert.quantization.scheme import FLOAT32, NEW, OLD, Scheme
from vedette_convert.quantization.serialization import compact
from vedette_convert.run import TRAIN, Model, Photograph, Run, sample_photographs
from vedette_convert.timing import StageTimer
from vedette_edge.head.record import PREFIX, HeadRecord
from vedette_edge.images.preprocessing import Image, preprocess
from vedette_edge.model import compatibility
from vedette_edge.model.classifier import Classifier
from vedette_edge.model.contract import Contract
from vedette_edge.model.graph import read_graph

LOOKED_INTO = 8  # test pictures for the error of each layer
TIMED = 50  # test pictures for the float graph's milliseconds

# Shows how far a task with so many steps is; what it gives is called after each.
Progress = Callable[[str, int], AbstractContextManager[Callable[[], None]]]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A graph that was made and judged."""

    name: str  # the remedy's
    quantization: str
    calibration: int  # pictures that set its ranges
    graph: bytes
    contract: Contract  # the run's, or with what a head that was fitted once more says
    latency: Latency
    answers: tuple[Answer, ...]
    verdict: Verdict
    objections: tuple[str, ...]  # the verdict's and the runtime's; none: it passes
    layers: tuple[LayerError, ...]  # none where activations stay float

    @property
    def title(self) -> str:
        """What it is, for people."""
        both = (self.quantization, self.name)
        return ", ".join(dict.fromkeys(both))

    @property
    def meaning(self) -> str:
        """The verdict in words, for people, without the last period.

        Without a test part, it adds the accuracies out of fold, which the verdict does not judge.
        """
        meaning = f"{self.quantization} {self.verdict.meaning}"
        accuracies = self.contract.provenance.accuracies
        of_float, of_int8 = accuracies.get("float_out_of_fold"), accuracies.get(INT8_OUT_OF_FOLD)
        if self.verdict.known_pictures or of_float is None:
            return meaning
        meaning += f". Out of fold, float is right in {of_float:.1%} of the pictures"
        return meaning if of_int8 is None else f"{meaning}, int8 in {of_int8:.1%}"


class CandidateBuilder:
    """Makes attempts at one model; what they share is made once.

    `float_graph` is the model as a float32 graph, which they are compared with. Raises
    ConversionError for a model that tells nothing.
    """

    def __init__(
        self, model: Model, run: Run, runtime: str, progress: Progress, clock: StageTimer
    ) -> None:
        self._model, self._run, self._runtime = model, run, runtime
        self._progress, self._clock = progress, clock
        self._prepared: list[Image] = []  # calibration pictures, as many as were asked for yet
        self._ways: set[tuple[Scheme, tuple[int, ...]]] = set()
        self._graphs: set[bytes] = set()
        self.float_graph = self._graph(model, FLOAT32, [], "converting the float model")
        with clock.stage("judge"):
            self._scores = self._float_scores()

    def build(self, remedy: Fallback) -> Candidate | None:
        """Make and judge a graph. None if the remedy changes nothing.

        Raises ConversionError for a graph that cannot be made or run.
        """
        pictures = self._calibration(remedy) if remedy.scheme.calibrated else []
        way = (remedy.scheme, tuple(map(id, pictures)))
        if way in self._ways:
            return None
        self._ways.add(way)
        graph = self._graph(self._model, remedy.scheme, pictures, f"quantizing, {remedy.name}")
        contract = self._run.contract
        if record := self._record(remedy):
            graph, contract = self._refitted(graph, record, remedy, pictures)
        if graph in self._graphs:
            return None
        self._graphs.add(graph)
        return self._judged(remedy, len(pictures), graph, contract)

    def float_ms(self) -> float:
        """The median time of the edge's Classifier for a picture, with the float graph."""
        with self._clock.stage("judge"):
            _, latency = self._examined(self.float_graph, self._run.judged[:TIMED], "timing")
        return latency.score_ms

    def _record(self, remedy: Fallback) -> HeadRecord | None:
        """The record of a head that is fitted to what this remedy makes of its features."""
        return self._run.head if remedy.scheme.quantization == "int8" else None

    def _refitted(
        self, graph: bytes, record: HeadRecord, remedy: Fallback, pictures: Sequence[Image]
    ) -> tuple[bytes, Contract]:
        """The graph with a head that is fitted to its own integers, and its contract."""
        run = self._run
        with self._clock.stage("fit head"):
            task = f"fitting the head to integers, {remedy.name}"
            with self._progress(task, len(run.learned)) as advance:
                features = read_features(graph, run, record, advance)
            refit = refit_head(features, record, run.contract)
        model = keras.models.clone_model(self._model)
        model.set_weights(self._model.get_weights())
        set_head(model, refit, record)
        task = f"quantizing with this head, {remedy.name}"
        return self._graph(model, remedy.scheme, pictures, task), refit.describe(run.contract)

    def _calibration(self, remedy: Fallback) -> list[Image]:
        chosen = sample_photographs(self._run.part(TRAIN), remedy.calibration)
        new = chosen[len(self._prepared) :]  # a larger sample begins with the smaller one
        with self._clock.stage("quantize"):
            with self._progress("reading calibration pictures", len(new)) as advance:
                for photograph in new:
                    self._prepared.append(preprocess(photograph.read(), self._run.contract))
                    advance()
            pictures = self._prepared[: len(chosen)]
            if not remedy.clipped:
                return pictures
            with self._progress("looking for outliers", len(pictures)) as advance:
                return layer_error.drop_outliers(self._float_layers, pictures, advance)

    def _graph(self, model: Model, scheme: Scheme, pictures: Sequence[Image], task: str) -> bytes:
        with self._clock.stage("quantize"), self._progress(task, len(pictures)) as advance:
            return compact(quantize(model, pictures, scheme, advance))

    def _judged(
        self, remedy: Fallback, calibration: int, graph: bytes, contract: Contract
    ) -> Candidate:
        with self._clock.stage("judge"):
            kernel_check.check_kernels(graph, remedy.scheme.quantization)
            task = f"judging, {remedy.name}"
            answers, latency = self._examined(graph, self._run.judged, task)
            verdict = judge_answers(answers)
            return Candidate(
                name=remedy.name,
                quantization=remedy.scheme.quantization,
                calibration=calibration,
                graph=graph,
                contract=contract,
                latency=latency,
                answers=answers,
                verdict=verdict,
                objections=(*verdict.objections, *self._unrunnable(graph)),
                layers=tuple(self._layer_errors(graph, remedy)),
            )

    def _examined(
        self, graph: bytes, photographs: Sequence[Photograph], task: str
    ) -> tuple[tuple[Answer, ...], Latency]:
        scores = self._scores[: len(photographs)]
        classifier = load_classifier(graph, self._run.contract)
        with self._progress(task, len(photographs)) as advance:
            return compare_answers(classifier, photographs, scores, advance)

    def _unrunnable(self, graph: bytes) -> list[str]:
        if self._runtime != OLD:
            return []
        found = compatibility.find_objections(read_graph(graph), arm=True)
        return [f"{compatibility.OLD} cannot run {what}; --runtime {NEW} would" for what in found]

    def _layer_errors(self, graph: bytes, remedy: Fallback) -> list[LayerError]:
        if not remedy.scheme.calibrated:
            return []
        test = sample_photographs(self._run.judged, LOOKED_INTO)[:LOOKED_INTO]
        pictures = [preprocess(photograph.read(), self._run.contract) for photograph in test]
        errors = layer_error.measure_errors(
            self._float_layers, LayerActivations(graph, self._model), pictures
        )
        if not self._record(remedy):
            return errors
        # A head that was fitted once more has other activations and scores, which are no errors.
        scores = self._model.layers[-1].name
        return [one for one in errors if not one.layer.startswith(PREFIX) and one.layer != scores]

    @cached_property
    def _float_layers(self) -> LayerActivations:
        return LayerActivations(self.float_graph, self._model)

    def _float_scores(self) -> Scores:
        photographs = self._run.judged
        with self._progress("asking the float model", len(photographs)) as advance:
            scores = compute_float_scores(self._model, photographs, self._run.contract, advance)
        check_scores(scores, self._run.weights)
        return scores


def load_classifier(graph: bytes, contract: Contract) -> Classifier:
    """The edge's Classifier for a graph that is in no file yet."""
    with tempfile.TemporaryDirectory() as folder:
        candidate = Path(folder, "candidate.tflite")
        candidate.write_bytes(pack_model(graph, contract))
        return Classifier(candidate)
