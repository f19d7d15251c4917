"""One conversion: a run folder becomes a model file, if that is as good as the run."""

import csv
import io
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vedette_convert.errors import RunFolderError
from vedette_convert.gate import Answer, Verdict, judge
from vedette_convert.pack import pack
from vedette_convert.quantize import Model, quantize
from vedette_convert.run_folder import TEST, TRAIN, Photograph, Run, sample
from vedette_edge.atomic import replacing, write_text
from vedette_edge.classifier import Classification, Classifier
from vedette_edge.contract import Contract
from vedette_edge.prepare import prepare

AT_A_TIME = 32  # pictures that the float model is asked about together


@dataclass(frozen=True, slots=True)
class Judgement:
    """How the int8 model did beside the float model."""

    answers: tuple[Answer, ...]
    verdict: Verdict


def convert(
    model: Model, run: Run, out: Path, calibration_pictures: int, advance: Callable[[], None]
) -> Judgement:
    """Quantize a run's model, judge it on its test part and, if it passes, write it to `out`.

    `advance` is called after each test picture judged. What both models said of each stands
    beside `out`, in .judgement.csv, or in .refused.csv if the gate has objections; then, as
    after any error, `out` is as it was.
    """
    _check_fits(model, run)
    chosen = sample(run.part(TRAIN), calibration_pictures)
    graph = quantize(model, [prepare(one.read(), run.contract) for one in chosen])
    with tempfile.TemporaryDirectory() as folder:
        candidate = Path(folder, out.name)
        candidate.write_bytes(pack(graph, run.contract))
        answers = tuple(_answers(model, Classifier(candidate), run.part(TEST), advance))
    judgement = Judgement(answers, judge(answers))
    if judgement.verdict.objections:
        write_text(out.with_suffix(".refused.csv"), _as_csv(answers))
        return judgement
    with replacing(out) as path:
        path.write_bytes(pack(graph, _with_accuracies(run.contract, judgement.verdict)))
    write_text(out.with_suffix(".judgement.csv"), _as_csv(answers))
    out.with_suffix(".refused.csv").unlink(missing_ok=True)
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
    contract = classifier.contract
    for start in range(0, len(photographs), AT_A_TIME):
        asked, prepared, found = photographs[start : start + AT_A_TIME], [], []
        for photograph in asked:
            picture_rgb = photograph.read()
            prepared.append(prepare(picture_rgb, contract))
            found.append(classifier.classify(picture_rgb))
            advance()
        scores = model.predict_on_batch(np.stack(prepared))
        yield from map(_answer, asked, scores, found)


def _answer(
    photograph: Photograph, float_scores: NDArray[np.float32], int8: Classification
) -> Answer:
    best = int(np.argmax(float_scores))
    return Answer(
        file=str(photograph.file),
        truth=photograph.label,
        float_label=int8.labels[best],
        float_score=float(float_scores[best]),
        int8_label=int8.label,
        int8_score=int8.score,
    )


def _with_accuracies(contract: Contract, verdict: Verdict) -> Contract:
    accuracies = {"float_test": verdict.float_accuracy, "int8_test": verdict.int8_accuracy}
    return replace(contract, provenance=replace(contract.provenance, accuracies=accuracies))


def _as_csv(answers: Sequence[Answer]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in fields(Answer)])
    writer.writerows(map(astuple, answers))
    return text.getvalue()
