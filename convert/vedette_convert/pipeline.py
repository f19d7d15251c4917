"""One conversion: a run folder becomes a model file, if that is as good as the run."""

import csv
import io
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path

from vedette_convert.candidates import Candidate, CandidateBuilder, Progress, load_classifier
from vedette_convert.errors import ConversionError, RunFolderError
from vedette_convert.evaluation.acceptance import Answer
from vedette_convert.packaging.bundle import pack_model
from vedette_convert.packaging.golden_selection import select_golden_samples
from vedette_convert.quantization.fallbacks import list_fallbacks
from vedette_convert.quantization.head_refit import check_head
from vedette_convert.quantization.scheme import INT8, OLD, Scheme
from vedette_convert.run import TEST, Model, Run
from vedette_convert.timing import StageTimer
from vedette_edge.files import atomic_write, write_text
from vedette_edge.model.contract import Contract


@dataclass(frozen=True, slots=True)
class ConvertConfig:
    """What is asked of a conversion."""

    scheme: Scheme = INT8
    runtime: str = OLD  # one of RUNTIMES, which must be able to run the graph
    calibration: int = 100  # pictures of the training part
    allowed: tuple[str, ...] = ()  # of ALLOWABLE


@dataclass(frozen=True, slots=True)
class ConversionResult:
    """How the graphs that were made did beside the float model."""

    attempts: tuple[Candidate, ...]  # in the order of trying
    attempt: Candidate  # the one that passed or, if none did, the one that agrees most
    float_bytes: int  # of the model as a float32 graph
    float_ms: float  # that graph's median milliseconds a picture
    unmade: tuple[str, ...]  # why remedies gave no graph, a line each


def convert(
    model: Model, run: Run, out: Path, wish: ConvertConfig, progress: Progress, clock: StageTimer
) -> ConversionResult:
    """Quantize a run's model, judge it on its test part and, if it passes, write it to `out`.

    Where the gate objects, the remedies are tried that `wish` allows. What both models said of
    each picture stands beside `out`, in .judgement.csv, or in .refused.csv if there are
    objections to the last attempt too; then, as after any error, `out` is as it was.
    """
    _check_fits(model, run)
    bench = CandidateBuilder(model, run, wish.runtime, progress, clock)
    attempts, unmade = _attempts(bench, wish)
    passed = not attempts[-1].objections
    best = attempts[-1] if passed else max(attempts, key=lambda one: one.verdict.agreement)
    judgement = ConversionResult(attempts, best, len(bench.float_graph), bench.float_ms(), unmade)
    if passed:
        with clock.stage("pack"):
            _write(best, run, out)
    write_text(out.with_suffix(f".{'judgement' if passed else 'refused'}.csv"), _as_csv(best))
    return judgement


def _attempts(
    bench: CandidateBuilder, wish: ConvertConfig
) -> tuple[tuple[Candidate, ...], tuple[str, ...]]:
    """One at least, and why others could not be made.

    The last has no objections, or there is no more to try.
    """
    made, unmade = list[Candidate](), list[str]()
    for remedy in list_fallbacks(wish.scheme, wish.calibration, wish.allowed):
        try:
            attempt = bench.build(remedy)
        except ConversionError as error:
            if not made:
                raise
            unmade.append(str(error))
        else:
            made += [attempt] if attempt else []
        if not made[-1].objections:
            break
    return tuple(made), tuple(unmade)


def _write(attempt: Candidate, run: Run, out: Path) -> None:
    contract = _with_accuracies(attempt)
    scores = [answer.tflite_score for answer in attempt.answers]
    photographs = run.part(TEST) or run.learned  # as judged, but with their labels
    proof = select_golden_samples(photographs, scores, load_classifier(attempt.graph, contract))
    with atomic_write(out) as path:
        path.write_bytes(pack_model(attempt.graph, contract, *proof))
    out.with_suffix(".refused.csv").unlink(missing_ok=True)


def _with_accuracies(attempt: Candidate) -> Contract:
    """The attempt's contract, with what was measured of the test part or, without one, before."""
    provenance = attempt.contract.provenance
    measured = {
        "float_test": attempt.verdict.float_accuracy,
        f"{attempt.quantization}_test": attempt.verdict.tflite_accuracy,
    }
    known = {name: share for name, share in measured.items() if share is not None}
    accuracies = known or provenance.accuracies
    return replace(attempt.contract, provenance=replace(provenance, accuracies=accuracies))


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
    if run.head:
        check_head(model, run.head, len(contract.labels))


def _as_csv(attempt: Candidate) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in fields(Answer)])
    writer.writerows(map(astuple, attempt.answers))
    return text.getvalue()
