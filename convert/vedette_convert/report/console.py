"""What the terminal shows of a conversion, for people and for machines."""

import json
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from vedette_convert.candidates import Candidate
from vedette_convert.evaluation import acceptance
from vedette_convert.pipeline import ConversionResult, ConvertConfig
from vedette_convert.quantization.fallbacks import untried
from vedette_convert.timing import StageTimer

WORST = 3  # layers that a refusal names


def as_json(judgement: ConversionResult, labels: tuple[str, ...], out: Path) -> str:
    """The whole judgement, but for the single answers."""
    attempt = judgement.attempt
    per_class = {}
    for label, verdict in acceptance.per_class(attempt.answers, labels).items():
        per_class[label] = asdict(verdict)
        del per_class[label]["objections"], per_class[label]["meaning"]  # a class is not refused
    found = {
        "file": str(out),
        "quantization": attempt.quantization,
        **asdict(attempt.verdict),
        "objections": attempt.objections,
        "meaning": attempt.meaning,
        "float_bytes": judgement.float_bytes,
        "float_ms": round(judgement.float_ms, 3),
        "latency": {stage: round(ms, 3) for stage, ms in asdict(attempt.latency).items()},
        "attempts": [_told(one) for one in judgement.attempts],
        "unmade": judgement.unmade,
        "layers": [asdict(layer) for layer in attempt.layers],
        "per_class": per_class,
    }
    return json.dumps(found, indent=2, ensure_ascii=False)


def _told(attempt: Candidate) -> dict[str, object]:
    return {
        "name": attempt.name,
        "quantization": attempt.quantization,
        "calibration": attempt.calibration,
        "accuracy": attempt.verdict.tflite_accuracy,
        "accuracy_interval": attempt.verdict.tflite_accuracy_interval,
        "agreement": attempt.verdict.agreement,
        "agreement_interval": attempt.verdict.agreement_interval,
        "bytes": len(attempt.graph),
        "ms": round(attempt.latency.score_ms, 3),
        "objections": attempt.objections,
    }


def show(judgement: ConversionResult, labels: tuple[str, ...], terminal: Console) -> None:
    """Class by class, figure by figure, in one sentence, and attempt by attempt."""
    terminal.print(_classes(judgement.attempt, labels), soft_wrap=False)
    terminal.print()
    terminal.print(_figures(judgement.attempt), soft_wrap=False)
    terminal.print(f"\n{judgement.attempt.meaning}.")
    for note in judgement.unmade:
        terminal.print(f"note: {note}")
    terminal.print()
    terminal.print(_attempts(judgement), soft_wrap=False)


def show_refusal(
    judgement: ConversionResult, wish: ConvertConfig, out: Path, terminal: Console
) -> None:
    """What speaks against each attempt, where it hurts, and what could still be tried."""
    for attempt in judgement.attempts:
        for objection in attempt.objections:
            terminal.print(f"refused ({attempt.title}): {objection}", style="red")
    worst = sorted(judgement.attempt.layers, key=lambda one: -one.error)[:WORST]
    if worst:
        named = ", ".join(f"{one.layer} ({one.error:.1%})" for one in worst)
        terminal.print(f"layers of the largest error: {named}")
    beside = f"{out.with_suffix('.report.html')} shows it, {out.with_suffix('.refused.csv')} has"
    helps = "more pictures to test by, longer training, another --calibration"
    if names := untried(wish.scheme, wish.allowed):
        allow = " or ".join(f"--allow {name}" for name in names)
        helps = f"{allow} ({'it was' if len(names) == 1 else 'they were'} not tried), {helps}"
    terminal.print(f"{out} was not written; {beside} every answer. What helps: {helps}")


def show_stages(
    judgement: ConversionResult, clock: StageTimer, page: Path, terminal: Console
) -> None:
    """How long each stage took, and the size of what it made."""
    attempts, verdict = judgement.attempts, judgement.attempt.verdict
    made = {
        "quantize": f"{len(judgement.attempt.graph) / 1e6:.2f} MB from "
        f"{judgement.float_bytes / 1e6:.2f} MB, {len(attempts)} tried",
        "fit head": "to the features of the quantized backbone",
        "judge": f"{verdict.pictures} pictures",
        "pack": "the file, with what it proves itself by",
        "report": f"{page.stat().st_size / 1e6:.2f} MB",
    }
    for stage, seconds in clock.seconds.items():
        terminal.print(f"{stage:<9}{seconds:6.1f} s  {made[stage]}")


def _classes(attempt: Candidate, labels: tuple[str, ...]) -> Table:
    header = ("label", "pictures", "float", attempt.quantization, "agree")
    table = _table(*header)
    rows = [*acceptance.per_class(attempt.answers, labels).items(), ("all", attempt.verdict)]
    for label, one in rows:
        shares = (one.float_accuracy, one.tflite_accuracy, one.agreement)
        style = "bold" if one is attempt.verdict else None
        table.add_row(label, str(one.pictures), *map(_percent, shares), style=style)
    return table


def _figures(attempt: Candidate) -> Table:
    """The figures that the gate judges by, but for those of no picture."""
    one, name = attempt.verdict, attempt.quantization
    known, sure = one.known_pictures, f"agreement where float is {acceptance.SURE:.0%} sure"
    table = _table("", "pictures", "share", "95% interval")
    for figure, pictures, share, interval, form in (
        ("accuracy of float", known, one.float_accuracy, one.float_accuracy_interval, _percent),
        (f"accuracy of {name}", known, one.tflite_accuracy, one.tflite_accuracy_interval, _percent),
        ("change in points", known, one.accuracy_change, one.accuracy_change_interval, _points),
        ("agreement", one.pictures, one.agreement, one.agreement_interval, _percent),
        (sure, one.sure_pictures, one.sure_agreement, one.sure_agreement_interval, _percent),
    ):
        if interval:
            table.add_row(figure, f"{pictures:,}", form(share), " to ".join(map(form, interval)))
    return table


def _attempts(judgement: ConversionResult) -> Table:
    table = _table("attempt", "accuracy", "agree", "MB", "ms", "verdict")
    first = judgement.attempts[0].verdict
    float_mb = f"{judgement.float_bytes / 1e6:.2f}"
    table.add_row(
        "float", _percent(first.float_accuracy), "", float_mb, f"{judgement.float_ms:.2f}"
    )
    for one in judgement.attempts:
        table.add_row(
            one.title,
            _percent(one.verdict.tflite_accuracy),
            _percent(one.verdict.agreement),
            f"{len(one.graph) / 1e6:.2f}",
            f"{one.latency.score_ms:.2f}",
            "refused" if one.objections else "passed",
        )
    return table


def _table(*header: str) -> Table:
    table = Table(*header, box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    return table


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _points(change: float | None) -> str:
    return "-" if change is None else f"{100 * change:+.1f}"
