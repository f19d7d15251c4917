"""A head in closed form is fitted once more, to the features of the quantized backbone."""

import json
import os
import re
import signal
import threading
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from click.testing import CliRunner
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from tests.convert.conftest import convert
from tests.convert.quantization.heads import change_head, read_contract, read_run_contract

from vedette_convert.errors import RunFolderError
from vedette_convert.quantization.head_refit import refit_head
from vedette_convert.quantization.integer_features import IntegerFeatures, read_features
from vedette_convert.run import Photograph, Run
from vedette_convert.sources.run_folder import load_run
from vedette_edge import Classifier, preprocess
from vedette_edge.__main__ import main as vedette
from vedette_edge.head.record import Block, HeadRecord
from vedette_edge.images.preprocessing import Image
from vedette_edge.model.compatibility import find_objections
from vedette_edge.model.graph import read_graph

pytestmark = pytest.mark.slow

Numbers = NDArray[np.float64]


class FeatureInterpreter:
    """The inputs of a graph's Dense layers, by the plain interpreter that keeps all tensors."""

    def __init__(self, model: Path, record: HeadRecord) -> None:
        self._interpreter = Interpreter(
            model_content=model.read_bytes(),
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            experimental_preserve_all_tensors=True,
        )
        self._interpreter.allocate_tensors()
        details = {one["index"]: one for one in self._interpreter.get_tensor_details()}
        read: dict[str, Any] = {}
        for operator in self._interpreter._get_ops_details():
            if operator["op_name"] == "FULLY_CONNECTED":
                features, weights = (details[index] for index in operator["inputs"][:2])
                names = re.findall(r"head\.\w+?(?=_\d+/|/|$)", weights["name"])
                read |= dict.fromkeys(names, features)
        self._blocks = [read[block.layer] for block in record.blocks]

    def features(self, prepared: Image) -> Numbers:
        (details,) = self._interpreter.get_input_details()
        self._interpreter.set_tensor(details["index"], prepared[np.newaxis])
        self._interpreter.invoke()
        parts = []
        for one in self._blocks:
            scale, zero_point = one["quantization"]
            integers = self._interpreter.get_tensor(one["index"]).ravel().astype(np.float64)
            parts.append((integers - zero_point) * scale)
        return np.concatenate(parts)


def solve(features: Numbers, truth: NDArray[np.intp], record: HeadRecord) -> tuple[Numbers, ...]:
    """Shrinkage LDA as a textbook has it, in double precision: weights and biases."""
    ends = np.cumsum(record.widths)
    by_block = [
        np.sqrt(features[:, end - width : end].var(axis=0).mean())
        for width, end in zip(record.widths, ends, strict=True)
    ]
    scales = np.repeat(by_block, record.widths)
    scaled = features / scales
    means = np.stack([scaled[truth == label].mean(axis=0) for label in range(truth.max() + 1)])
    within = np.cov((scaled - means[truth]).T, bias=True)
    level = np.trace(within) / len(within)
    shrunk = (1 - record.shrinkage) * within + record.shrinkage * level * np.eye(len(within))
    middle = means.mean(axis=0)
    directions = np.linalg.solve(shrunk, (means - middle).T)
    biases = -0.5 * np.diag((means - middle) @ directions) - middle @ directions
    return directions / scales[:, np.newaxis], biases


@dataclass(frozen=True, slots=True)
class Refit:
    """The answers of an independent fit to the integers of a file, for the learned pictures."""

    learned: list[Photograph]
    truth: NDArray[np.intp]
    logits: Numbers
    out_of_fold: Numbers

    @property
    def temperature(self) -> float:
        """That of the least loss out of fold, with Platt's targets."""
        pictures, classes = self.out_of_fold.shape
        sure = (pictures + 1) / (pictures + 2)
        targets = np.full((pictures, classes), (1 - sure) / (classes - 1))
        targets[np.arange(pictures), self.truth] = sure

        def compute_loss(logarithm: float) -> float:
            scores = log_softmax(self.out_of_fold / np.exp(logarithm), axis=1)
            return -float(np.mean(np.sum(targets * scores, axis=1)))

        minimum = minimize_scalar(
            compute_loss, bounds=(-2, 11), method="bounded", options={"xatol": 1e-6}
        )
        return float(np.exp(minimum.x))


@pytest.fixture(scope="module")
def refit(head_run: Path, head_model: Path) -> Refit:
    run = load_run(head_run)
    assert run.head
    return refit_independently(run, run.head, head_model)


def refit_independently(run: Run, record: HeadRecord, model: Path) -> Refit:
    interpreter, learned = FeatureInterpreter(model, record), run.learned
    prepared = [preprocess(one.read(), run.contract) for one in learned]
    plain = np.stack([interpreter.features(one) for one in prepared])
    mirrored = np.stack([interpreter.features(one[:, ::-1].copy()) for one in prepared])
    truth = np.array([run.contract.labels.index(one.label) for one in learned])
    folds, out_of_fold = np.array(record.folds), np.empty((len(truth), truth.max() + 1))
    for fold in np.unique(folds):
        rest, mine = folds != fold, folds == fold
        rows = np.concatenate([plain[rest], mirrored[rest]])
        weights, biases = solve(rows, np.tile(truth[rest], 2), record)
        out_of_fold[mine] = plain[mine] @ weights + biases
    weights, biases = solve(np.concatenate([plain, mirrored]), np.tile(truth, 2), record)
    return Refit(learned, truth, plain @ weights + biases, out_of_fold)


def test_the_file_answers_as_an_independent_fit_to_its_integers(
    refit: Refit, head_model: Path
) -> None:
    classifier = Classifier(head_model)
    scores = np.stack([classifier.classify(one.read()).scores[:-1] for one in refit.learned])
    assert np.array_equal(scores.argmax(axis=1), refit.logits.argmax(axis=1))


def test_the_temperature_comes_from_answers_out_of_fold_on_integers(
    refit: Refit, head_run: Path, head_model: Path
) -> None:
    temperature = read_contract(head_model).confidence.temperature
    # That of the classes alone is the highest: the entry for unknown takes its part of each score.
    assert 0.005 * refit.temperature < temperature < 1.02 * refit.temperature
    assert temperature != read_run_contract(head_run).confidence.temperature


def test_accuracy_out_of_fold_is_that_of_the_integers(
    untested_run: Path, untested_model: Path
) -> None:
    run = load_run(untested_run)
    assert run.head
    independent = refit_independently(run, run.head, untested_model)
    right = independent.out_of_fold.argmax(axis=1) == independent.truth
    accuracies = read_contract(untested_model).provenance.accuracies
    assert set(accuracies) == {"float_out_of_fold", "int8_out_of_fold"}
    # The entry for unknown takes some of the right answers away.
    assert 0.75 * right.mean() <= accuracies["int8_out_of_fold"] <= right.mean()
    metrics = json.loads((untested_run / "metrics.json").read_bytes())
    assert accuracies["float_out_of_fold"] == metrics["out_of_fold_accuracy"]


def test_labels_are_those_of_training_with_unknown_at_the_end(
    head_run: Path, head_model: Path
) -> None:
    assert read_contract(head_model).labels == read_run_contract(head_run).labels
    assert read_contract(head_model).labels == ("bar", "disc", "square", "unknown")
    assert set(read_contract(head_model).provenance.accuracies) == {"float_test", "int8_test"}


def test_thresholds_are_for_the_precision_that_training_was_asked_for(head_run: Path) -> None:
    """On two classes that overlap, with 300 pictures each."""
    random, truth = np.random.default_rng(0), np.repeat([0, 1], 300)
    integers = np.round(random.normal(20 * truth[:, np.newaxis], 30, (600, 4))).astype(np.int8)
    folds, scale = random.integers(0, 3, 600), np.full(4, 0.1, np.float32)
    features = IntegerFeatures(truth, folds, (integers,), scale, np.zeros(4, np.float32))
    record = HeadRecord((Block("head.1", 4),), 0.1, 0.0, 0.9, False, tuple(folds.tolist()))
    contract = replace(read_run_contract(head_run), labels=("left", "right"))
    _, refitted = refit_head(features, record, contract)
    logits = np.empty((600, 2))
    for fold in range(3):
        rest = folds != fold
        weights, biases = solve(integers[rest] * 0.1, truth[rest], record)
        logits[~rest] = integers[~rest] * 0.1 @ weights + biases
    scores = softmax(logits / refitted.confidence.temperature, axis=1)
    right, best = logits.argmax(axis=1) == truth, scores.max(axis=1)
    assert 0.6 < right.mean() < 0.9
    assert refitted.provenance.accuracies["int8_out_of_fold"] == right.mean()
    below = refitted.confidence.unknown_below
    assert right[best >= below - 1e-5].mean() >= 0.9 > right[best >= below - 0.02].mean()
    for label, answered in (("left", logits.argmax(axis=1) == 0), ("right", logits[:, 1] > 0)):
        own = refitted.confidence.unknown_below_by_label[label]
        assert right[answered & (best >= own - 1e-5)].mean() >= 0.9


def test_the_same_run_gives_the_same_bytes(few: Path, untested_model: Path) -> None:
    assert convert(few).exit_code == 0
    assert (few / "model.tflite").read_bytes() == untested_model.read_bytes()


def test_blocks_may_be_listed_in_any_order(few: Path, untested_model: Path) -> None:
    head = json.loads((few / "head.json").read_bytes())
    change_head(few, blocks=head["blocks"][::-1])
    assert convert(few).exit_code == 0
    first, second = Classifier(untested_model), Classifier(few / "model.tflite")
    for one in load_run(few).learned:
        answers = [classifier.classify(one.read()) for classifier in (first, second)]
        assert answers[0].best == answers[1].best
        assert np.abs(answers[0].scores - answers[1].scores).max() < 0.05


def test_without_a_test_part_agreement_on_the_learned_pictures_is_judged(
    untested_model: Path,
) -> None:
    data = json.loads(untested_model.with_suffix(".json").read_bytes())
    assert (data["pictures"], data["known_pictures"]) == (24, 0)
    for name in ("float_accuracy", "tflite_accuracy", "accuracy_change"):
        assert data[name] is data[f"{name}_interval"] is None
    assert data["agreement"] >= 0.95
    assert data["per_class"] == {}
    for accuracy in read_contract(untested_model).provenance.accuracies.values():
        assert f"{accuracy:.1%}" in data["meaning"]


def test_without_a_test_part_samples_are_of_every_class(
    untested_run: Path, untested_model: Path
) -> None:
    learned = {Path(one.file).read_bytes(): one.label for one in load_run(untested_run).learned}
    with zipfile.ZipFile(untested_model) as archive:
        stored = [archive.read(name) for name in archive.namelist() if name.endswith(".png")]
    assert len(stored) >= 8
    assert {learned[data] for data in stored} == {"bar", "disc", "square"}


@pytest.mark.parametrize("name", ["head_model", "untested_model"])
def test_the_file_proves_itself(name: str, request: pytest.FixtureRequest) -> None:
    model = request.getfixturevalue(name)
    assert len(Classifier(model).model.samples) >= 9
    result = CliRunner().invoke(vedette, ["check", str(model)])
    assert result.exit_code == 0, result.output


def test_the_oldest_runtime_has_every_operator(head_model: Path) -> None:
    graph = read_graph(Classifier(head_model).model.data)
    assert "BATCH_MATMUL" in {kind.name for kind in graph.operators}
    assert find_objections(graph, arm=True) == []


def test_no_layer_of_the_head_has_an_error(untested_model: Path) -> None:
    data = json.loads(untested_model.with_suffix(".json").read_bytes())
    layers = {one["layer"] for one in data["layers"]}
    assert "average.5" in layers
    assert not [name for name in layers if name.startswith("head.") or name == "scores"]


def test_a_photograph_that_only_the_head_was_fitted_to_may_not_have_changed(
    draw_shapes: Callable[[Path, int], Path], head_run: Path, head_model: Path, tmp_path: Path
) -> None:
    run = load_run(head_run, draw_shapes(tmp_path / "copy", 40))
    changed = Path(run.learned[-1].file)
    changed.write_bytes(changed.read_bytes() + b"\0")
    assert run.head
    graph = Classifier(head_model).model.data
    with pytest.raises(RunFolderError, match=re.escape(f"{changed}: has changed")):
        read_features(graph, run, run.head, lambda: None)


def test_ctrl_c_while_features_are_read_leaves_the_old_file(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Photograph.read

    def interrupt(photograph: Photograph) -> Image:
        if threading.current_thread() is not threading.main_thread():
            os.kill(os.getpid(), signal.SIGINT)
        return read(photograph)

    monkeypatch.setattr(Photograph, "read", interrupt)
    old = b"an old model with its contract.json"
    (run / "model.tflite").write_bytes(old)
    assert convert(run, "--calibration", "3").exit_code == 130
    assert (run / "model.tflite").read_bytes() == old
    assert not list(run.glob(".model*"))
