"""The output of a conversion on the console, as text and as JSON."""

import json
import shlex
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from vedette_convert.candidates import Candidate, ConversionResult
from vedette_convert.evaluation import acceptance
from vedette_convert.quantization.scheme import NEW, ConvertConfig, list_untried
from vedette_convert.report.units import format_size

WORST = 3  # layers that a refusal names


def render_json(result: ConversionResult) -> str:
    """Render the whole result, without the single answers."""
    best = result.best
    per_class = {}
    for label, verdict in acceptance.judge_each_class(best.answers, best.contract.labels).items():
        per_class[label] = asdict(verdict)
        del per_class[label]["objections"], per_class[label]["meaning"]  # a class is not refused
    data = {
        "file": str(result.file),
        "quantization": best.quantization,
        **asdict(best.verdict),
        "objections": best.objections,
        "meaning": best.meaning,
        "float_bytes": result.float_bytes,
        "float_ms": round(result.float_ms, 3),
        "latency": {stage: round(ms, 3) for stage, ms in asdict(best.latency).items()},
        "attempts": [_summarize(one) for one in result.candidates],
        "unmade": result.failures,
        "layers": [asdict(layer) for layer in best.layers],
        "per_class": per_class,
    }
    return json.dumps(data, indent=2, ensure_ascii=False)


def _summarize(candidate: Candidate) -> dict[str, object]:
    verdict = candidate.verdict
    return {
        "name": candidate.name,
        "quantization": candidate.quantization,
        "calibration": candidate.calibration,
        "accuracy": verdict.tflite_accuracy,
        "accuracy_interval": verdict.tflite_accuracy_interval,
        "agreement": verdict.agreement,
        "agreement_interval": verdict.agreement_interval,
        "bytes": len(candidate.graph),
        "ms": round(candidate.latency.score_ms, 3),
        "objections": candidate.objections,
    }


def show_result(result: ConversionResult, terminal: Console) -> None:
    """Show the classes, the figures, the verdict and all candidates."""
    terminal.print(_render_classes(result.best), soft_wrap=False)
    terminal.print()
    terminal.print(_render_figures(result.best), soft_wrap=False)
    terminal.print(f"\n{result.best.meaning}.")
    for note in result.failures:
        terminal.print(f"note: {note}")
    terminal.print()
    terminal.print(_render_candidates(result), soft_wrap=False)


def show_refusal(result: ConversionResult, config: ConvertConfig, terminal: Console) -> None:
    """Show the objections to each candidate, the worst layers, and untried options."""
    for one in result.candidates:
        for objection in one.objections:
            terminal.print(f"refused ({one.title}): {objection}", style="red")
    worst = sorted(result.best.layers, key=lambda one: -one.error)[:WORST]
    if worst:
        named = ", ".join(f"{one.layer} ({one.error:.1%})" for one in worst)
        terminal.print(f"layers with the largest error: {named}")
    helps = [*list_untried(config), "training with more photographs"]
    if not result.best.verdict.objections:  # only the runtime's
        helps = [f"--runtime {NEW}, if your devices run ai-edge-litert"]
    terminal.print(
        f"{result.file} was not written; see {result.report}, and "
        f"{result.file.with_suffix('.refused.csv')} for every answer. What may help: "
        f"{' or '.join(helps)}"
    )


def show_stages(result: ConversionResult, terminal: Console) -> None:
    """Show the duration of each stage, and the size of its result."""
    best = result.best
    outcomes = {
        "quantize": f"{format_size(result.float_bytes)} become {format_size(len(best.graph))}, "
        f"attempts: {len(result.candidates)}",
        "fit head": "the last layer, fitted again for the quantized network",
        "judge": f"the answers to {best.verdict.pictures} pictures",
        "pack": "the file, with pictures for its self-test",
        "report": format_size(result.report.stat().st_size),
    }
    for stage, taken in result.seconds.items():
        terminal.print(f"{stage:<9}{taken:6.1f} s  {outcomes[stage]}")


def show_files(result: ConversionResult, terminal: Console) -> None:
    """Show the files that were written, and the commands that use the model next."""
    model = shlex.quote(str(result.file))
    terminal.print(
        f"{result.file}: {format_size(result.file.stat().st_size)}\n"
        f"{result.report}: open it in a browser\n"
        f"next: vedette predict {model} photo.jpg\n"
        f"or:   make predict MODEL={model} IMAGES=photo.jpg"
    )


def _render_classes(candidate: Candidate) -> Table:
    table = _create_table("label", "pictures", "float", candidate.quantization, "agree")
    per_class = acceptance.judge_each_class(candidate.answers, candidate.contract.labels)
    for label, one in (*per_class.items(), ("all", candidate.verdict)):
        shares = (one.float_accuracy, one.tflite_accuracy, one.agreement)
        style = "bold" if one is candidate.verdict else None
        table.add_row(label, str(one.pictures), *map(_format_percent, shares), style=style)
    return table


def _render_figures(candidate: Candidate) -> Table:
    """Render the figures that the gate judges by, but for those of no picture."""
    one, name = candidate.verdict, candidate.quantization
    known, sure = one.known_pictures, f"same label, float {acceptance.SURE:.0%} sure"
    percent, points = _format_percent, _format_points
    table = _create_table("", "pictures", "share", "95% interval")
    for figure, pictures, share, interval, form in (
        ("accuracy of float", known, one.float_accuracy, one.float_accuracy_interval, percent),
        (f"accuracy of {name}", known, one.tflite_accuracy, one.tflite_accuracy_interval, percent),
        (
            "change in points",
            known,
            one.accuracy_change,
            one.accuracy_change_interval,
            points,
        ),
        ("same label", one.pictures, one.agreement, one.agreement_interval, percent),
        (sure, one.sure_pictures, one.sure_agreement, one.sure_agreement_interval, percent),
    ):
        if interval:
            table.add_row(figure, f"{pictures:,}", form(share), " to ".join(map(form, interval)))
    return table


def _render_candidates(result: ConversionResult) -> Table:
    table = _create_table("attempt", "accuracy", "agree", "size", "ms", "verdict")
    first = result.candidates[0].verdict
    size, ms = format_size(result.float_bytes), f"{result.float_ms:.2f}"
    table.add_row("float", _format_percent(first.float_accuracy), "", size, ms)
    for one in result.candidates:
        table.add_row(
            one.title,
            _format_percent(one.verdict.tflite_accuracy),
            _format_percent(one.verdict.agreement),
            format_size(len(one.graph)),
            f"{one.latency.score_ms:.2f}",
            "refused" if one.objections else "passed",
        )
    return table


def _create_table(*header: str) -> Table:
    table = Table(*header, box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    return table


def _format_percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _format_points(change: float | None) -> str:
    return "-" if change is None else f"{100 * change:+.1f}"
