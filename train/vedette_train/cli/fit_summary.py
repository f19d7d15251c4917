"""Lines that `vedette-train fit` prints for people."""

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console

from vedette_edge.console import Output, escape_unprintable
from vedette_train.cli.audit import build_audit_table
from vedette_train.config import FEW_CLASSES
from vedette_train.data.training_data import TrainingData
from vedette_train.evaluation.calibration import tell_from_chance
from vedette_train.pipeline.training_run import TrainingRun

FEW_CLASSES_ADVICE = (
    "with so few classes, few strange pictures become unknown: it helps if one class is what the "
    "camera sees when nothing is there, and if others are further things that it can see"
)
OTHER_KINDS = "of other kinds, the share can be several times as high: measure some with --unknown"
MOST_LINES = 10  # of reasons to leave out files; metrics.json has all


def print_data(data: TrainingData, terminal: Console) -> None:
    """Print the input of a run: classes, parts, findings and files left out."""
    pictures = data.contract.provenance.pictures
    parts = ", ".join(f"{count} {part}" for part, count in pictures.items() if count)
    terminal.print(f"{data.folder}: {len(data.contract.labels)} classes, pictures: {parts}")
    if data.audit.findings:
        terminal.print(build_audit_table(data.audit))
    for line in summarize_left_out(data.left_out):
        terminal.print(line, style="yellow")


def summarize_left_out(left_out: Mapping[str, str]) -> Iterator[str]:
    """A line for each reason; `left_out` maps a file to its reason."""
    files: dict[str, list[str]] = {}
    for file, reason in left_out.items():
        files.setdefault(reason, []).append(file)
    for reason, some in list(files.items())[:MOST_LINES]:
        count = f"{len(some)} files, such as " * (len(some) > 1)
        yield f"left out {count}{escape_unprintable(some[0])}: {escape_unprintable(reason)}"
    named = min(len(files), MOST_LINES)
    if named < len(left_out):
        yield "metrics.json will name all files that are left out"


def print_results(
    run: TrainingRun, converted: Sequence[str], output: Output, *, as_json: bool
) -> None:
    """Print the results of a run, and the next command.

    `converted` are the files that vedette-convert had made from an earlier run in the folder.
    """
    if as_json:
        output.print_line(json.dumps(run.metrics, indent=2, ensure_ascii=False))
    else:
        print_metrics(run, output.out)
    terminal = output.err if as_json else output.out
    if removed := [name for name in converted if not (run.folder / name).exists()]:
        terminal.print(f"removed what was converted from the run before: {', '.join(removed)}")
    name = shlex.quote(str(run.folder))
    terminal.print(f"next: vedette-convert {name} (make convert RUN={name})")


def print_metrics(run: TrainingRun, terminal: Console) -> None:
    """Print the results of a run in sentences."""
    metrics, name = run.metrics, run.judged_by
    low, high = metrics[f"{name}_interval"]
    terminal.print(
        f"{run.accuracy:.1%} of {_count_judged(metrics)} right, 95% interval {low:.1%} to "
        f"{high:.1%} ({_describe_source(metrics)})\n"
        f"always giving the commonest answer would reach {metrics['baseline_accuracy']:.1%}"
    )
    for line in (*_describe_scores(metrics), *_describe_unknown(metrics)):
        terminal.print(line)
    terminal.print(
        f"{metrics['seconds']['all']:.0f} s, peak memory {metrics['peak_memory_mb']:.0f} MB\n"
        f"{run.report}: open it in a browser"
    )


def _describe_source(metrics: Mapping[str, Any]) -> str:
    """The origin of the model and of its accuracy."""
    if "epochs" in metrics:
        return (
            f"epoch {metrics['best_epoch']} of {metrics['epochs']} kept, "
            f"validation {metrics['validation_accuracy']:.1%}"
        )
    if metrics["judged_by"] == "test":
        return f"cross-validation in training {metrics['out_of_fold_accuracy']:.1%}"
    return "cross-validation: each classified by a model that was not trained on it"


def _count_judged(metrics: Mapping[str, Any]) -> str:
    """The number of pictures that judge the model."""
    if metrics["judged_by"] == "test":
        return f"{metrics['test_pictures']} test pictures"
    return f"{metrics['out_of_fold_pictures']} pictures"


def _describe_scores(metrics: Mapping[str, Any]) -> Iterator[str]:
    measured = metrics["calibration"]
    if not tell_from_chance(measured["ece_after"], measured["ece_by_chance"]):
        yield f"{_count_judged(metrics)} are too few to judge the scores"
        return
    error = {name: 100 * error for name, error in measured.items() if "ece" in name}
    yield (
        f"scores are {error['ece_after']:.1f} points from the real accuracy on average "
        f"({error['ece_before']:.1f} before calibration; chance alone would make them "
        f"{error['ece_by_chance']:.1f})"
    )


def _describe_unknown(metrics: Mapping[str, Any]) -> Iterator[str]:
    unknown = metrics["unknown"]
    if unknown["below"]:
        own = [below for below in unknown["below_by_label"].values() if below]
        others = f" ({min(own):.0%} to {max(own):.0%} for some labels)" if own else ""
        right = ""
        if unknown["test_answered"]:
            right = f", and {unknown['test_precision']:.1%} of these labels are right"
        yield (
            f"scores below {unknown['below']:.0%}{others} become unknown: "
            f"{unknown['test_answered']:.0%} of the pictures keep a label{right}"
        )
    elif not unknown["precision_reached"]:
        target = f"{unknown['precision_target']:.0%}"
        yield f"no score is high enough for {target} right labels, so none becomes unknown"
    if unknown["has_output"] and len(metrics["per_class"]) <= FEW_CLASSES:
        yield FEW_CLASSES_ADVICE
    if unknown["pictures"]:
        share = f"{unknown['false_accepts']:.1%}"
        kinds = unknown["by_folder"]
        more = "" if len(kinds) > 1 else f"; {OTHER_KINDS}"
        yield f"of {unknown['pictures']} pictures of none of the classes, {share} get a label{more}"
        for folder, one in kinds.items() if len(kinds) > 1 else ():
            yield f"  {folder}: {one['false_accepts']:.1%} of {one['pictures']}"
