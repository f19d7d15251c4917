"""The conversion: a model is quantized, judged, written if the gate passes it, reported."""

import csv
import io
from contextlib import AbstractContextManager, nullcontext
from dataclasses import astuple, fields, replace
from pathlib import Path

from vedette_convert.candidates import (
    Candidate,
    CandidateBuilder,
    ConversionResult,
    Progress,
    load_classifier,
)
from vedette_convert.errors import ConversionError, RunFolderError
from vedette_convert.evaluation.acceptance import Answer
from vedette_convert.packaging.bundle import pack_model
from vedette_convert.packaging.golden_selection import select_golden_samples
from vedette_convert.quantization.head_refit import check_head
from vedette_convert.quantization.scheme import ConvertConfig, list_fallbacks
from vedette_convert.report import html
from vedette_convert.run import TEST, Advance, Model, Run, Source
from vedette_convert.sources.external_model import load_external_model
from vedette_convert.sources.keras_loader import load_run_model
from vedette_edge.console import Output
from vedette_edge.files import atomic_write, write_text
from vedette_edge.model.contract import Contract


def convert_source(
    source: Source, out: Path, config: ConvertConfig, output: Output
) -> ConversionResult:
    """Load a model, convert it, and write the report."""
    output.err.print("loading the model ...")
    if isinstance(source, Run):
        model, run = load_run_model(source.weights), source
    else:
        model, run = load_external_model(source, output.err.print)
    _check_match(model, run)
    builder = CandidateBuilder(model, run, config.runtime, _announce_tasks(output))
    result = convert_model(builder, out, config)
    with builder.measure("report"):
        html.write_report(result, run, config)
    return result


def _announce_tasks(output: Output) -> Progress:
    """Print the name of each task before its progress, as some tasks take long between steps."""

    def show_progress(task: str, total: int) -> AbstractContextManager[Advance]:
        output.err.print(f"{task} ...")
        return output.show_progress(task, total) if total else nullcontext(lambda: None)

    return show_progress


def convert_model(builder: CandidateBuilder, out: Path, config: ConvertConfig) -> ConversionResult:
    """Build candidates, judge them on the test part and, if one passes, write it to `out`.

    If the gate refuses one, tries the fallbacks that `config` allows. Both models' answers to
    each picture go to .judgement.csv beside `out`, or to .refused.csv if the last candidate is
    refused, too; then, as after any error, `out` stays as it was.
    """
    candidates, failures = _build_candidates(builder, config)
    passed = not candidates[-1].objections
    best = candidates[-1] if passed else max(candidates, key=lambda one: one.verdict.agreement)
    float_bytes, float_ms = len(builder.float_graph), builder.measure_float_ms()
    if passed:
        with builder.measure("pack"), builder.progress("packing the file", 0):
            _write_model(best, builder.run, out)
    suffix = f".{'judgement' if passed else 'refused'}.csv"
    write_text(out.with_suffix(suffix), _render_csv(best.answers))
    return ConversionResult(candidates, best, float_bytes, float_ms, failures, out, builder.seconds)


def _build_candidates(
    builder: CandidateBuilder, config: ConvertConfig
) -> tuple[tuple[Candidate, ...], tuple[str, ...]]:
    """Build at least one candidate; returns them, and reasons why fallbacks failed.

    The last has no objections, or no fallback is left.
    """
    candidates, failures = list[Candidate](), list[str]()
    for fallback in list_fallbacks(config.scheme, config.calibration, config.allow):
        try:
            candidate = builder.build(fallback)
        except ConversionError as error:
            if not candidates:
                raise
            failures.append(str(error))
        else:
            candidates += [candidate] if candidate else []
        if not candidates[-1].objections:
            break
    return tuple(candidates), tuple(failures)


def _write_model(candidate: Candidate, run: Run, out: Path) -> None:
    contract = _record_accuracies(candidate)
    scores = [answer.tflite_score for answer in candidate.answers]
    photographs = run.select_part(TEST) or run.learned  # as judged, but with their labels
    classifier = load_classifier(candidate.graph, contract)
    images, samples = select_golden_samples(photographs, scores, classifier)
    with atomic_write(out) as path:
        path.write_bytes(pack_model(candidate.graph, contract, images, samples))
    out.with_suffix(".refused.csv").unlink(missing_ok=True)


def _record_accuracies(candidate: Candidate) -> Contract:
    """Put the test part's accuracies into the contract; without one, training's stay."""
    provenance = candidate.contract.provenance
    measured = {
        "float_test": candidate.verdict.float_accuracy,
        f"{candidate.quantization}_test": candidate.verdict.tflite_accuracy,
    }
    known = {name: share for name, share in measured.items() if share is not None}
    accuracies = known or provenance.accuracies
    return replace(candidate.contract, provenance=replace(provenance, accuracies=accuracies))


def _check_match(model: Model, run: Run) -> None:
    """Raise RunFolderError or ConversionError unless model, contract and head match."""
    contract = run.contract
    actual = (model.input_shape[1:], model.output_shape[1:])
    expected = ((contract.height, contract.width, 3), (len(contract.labels),))
    if actual != expected:
        raise RunFolderError(
            f"{run.weights}: takes {actual[0]} and gives {actual[1]}, but its contract has "
            f"{expected[0]} and {expected[1]} for its {len(contract.labels)} labels. "
            "They are not of one run: train again"
        )
    if run.head:
        check_head(model, run.head, len(contract.labels))


def _render_csv(answers: tuple[Answer, ...]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in fields(Answer)])
    writer.writerows(map(astuple, answers))
    return text.getvalue()
