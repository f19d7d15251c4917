"""One conversion: a run folder becomes a model file, if that is as good as the run."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path

import numpy as np

from vedette_convert.errors import RunFolderError
from vedette_convert.gate import Answer, Verdict, judge
from vedette_convert.pack import pack
from vedette_convert.quantize import Model, load, quantize
from vedette_convert.run_folder import TEST, TRAIN, Photograph, Run, sample
from vedette_edge.atomic import replacing, write_text
from vedette_edge.classifier import Classifier
from vedette_edge.contract import Contract
from vedette_edge.prepare import prepare

AT_A_TIME = 32  # pictures that the float model is asked about together


@dataclass(frozen=True, slots=True)
class Judgement:
    """How the int8 model did beside the float model."""

    answers: tuple[Answer, ...]
    verdict: Verdict


class RefusedError(Exception):
    """The int8 model is not good enough, and nothing was written in its place."""

    def __init__(self, judgement: Judgement) -> None:
        super().__init__(*judgement.verdict.objections)
        self.judgement = judgement


def convert(
    run: Run, out: Path, calibration_pictures: int, advance: Callable[[], None]
) -> Judgement:
    """Quantize a run's model, judge it on its test part and write it to `out`.

    `advance` is called after each test picture judged. Beside `out` stands what
    both models said of each. Raises RefusedError if the gate does not let it pass; then, as
    after any error, `out` is as it was.
    """
    model = load(run.weights)
    _check_fits(model, run)
    chosen = sample(run.part(TRAIN), calibration_pictures)
    graph = quantize(model, [prepare(one.read(), run.contract) for one in chosen])
    with replacing(out) as candidate:
        candidate.write_bytes(pack(graph, run.contract))
        answers = tuple(_answers(model, Classifier(candidate), run.part(TEST), advance))
        judgement = Judgement(answers, judge(answers))
        write_text(out.with_suffix(".judgement.csv"), _as_csv(answers))
        if judgement.verdict.objections:
            raise RefusedError(judgement)
        candidate.write_bytes(pack(graph, _with_accuracies(run.contract, judgement.verdict)))
    return judgement


def _check_fits(model: Model, run: Run) -> None:
    contract = run.contract
    found = (model.input_shape[1:], model.output_shape[1:])
    expected = ((contract.height, contract.width, 3), (len(contract.labels),))
    if found != expected:
        raise RunFolderError(
            f"{run.weights}: takes {found[0]} and gives {found[1]}, the contract beside it says "
            f"{expected[0]} and {expected[1]} for its {len(contract.labels)} labels. "
            "They are not of one run: train again"
        )
    if not run.part(TEST):
        raise RunFolderError(f"{run.weights.parent}: has no test part to judge by. Train again")


def _answers(
    model: Model,
    classifier: Classifier,
    photographs: Sequence[Photograph],
    advance: Callable[[], None],
) -> Iterator[Answer]:
    """What the float model and the edge's own Classifier say of each photograph."""
    labels = classifier.contract.labels
    for start in range(0, len(photographs), AT_A_TIME):
        asked = photographs[start : start + AT_A_TIME]
        pictures = [photograph.read() for photograph in asked]
        prepared = np.stack([prepare(picture, classifier.contract) for picture in pictures])
        for photograph, picture, scores in zip(
            asked, pictures, model.predict_on_batch(prepared), strict=True
        ):
            found = classifier.classify(picture)
            best = int(np.argmax(scores))
            yield Answer(
                str(photograph.file),
                photograph.label,
                labels[best],
                float(scores[best]),
                found.label,
                found.score,
            )
            advance()


def _with_accuracies(contract: Contract, verdict: Verdict) -> Contract:
    accuracies = {"float_test": verdict.float_accuracy, "int8_test": verdict.int8_accuracy}
    return replace(contract, provenance=replace(contract.provenance, accuracies=accuracies))


def _as_csv(answers: Sequence[Answer]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in fields(Answer)])
    writer.writerows(map(astuple, answers))
    return text.getvalue()
