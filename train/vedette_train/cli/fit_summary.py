"""Lines that `vedette-train fit` prints for people."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from vedette_edge.console import escape_unprintable
from vedette_train.cli.audit import build_audit_table
from vedette_train.config import FEW_CLASSES
from vedette_train.data.training_data import TrainingData
from vedette_train.pipeline.training_run import TrainingRun

FEW_CLASSES_ADVICE = (
    "with so few classes, unknown rejects little: add a class folder with pictures of what the "
    "camera sees when nothing is there"
)
MOST_NAMED = 10  # ignored files to name; metrics.json names all


def print_data(data: TrainingData, terminal: Console) -> None:
    """Print the input of a run: classes, parts, findings and files left out."""
    pictures = data.contract.provenance.pictures
    parts = ", ".join(f"{count} {part}" for part, count in pictures.items() if count)
    terminal.print(f"{data.folder}: {len(data.contract.labels)} classes, pictures: {parts}")
    if data.audit.findings:
        terminal.print(build_audit_table(data.audit))
    for file, reason in list(data.left_out.items())[:MOST_NAMED]:
        terminal.print(
            f"left out {escape_unprintable(file)}: {escape_unprintable(reason)}", style="yellow"
        )
    if (more := len(data.left_out) - MOST_NAMED) > 0:
        terminal.print(f"... and {more} more; metrics.json will name them all", style="yellow")


def print_metrics(run: TrainingRun, terminal: Console) -> None:
    """Print the results of a run."""
    metrics = run.metrics
    name = "test" if metrics["judged_by"] == "test" else "out_of_fold"
    low, high = metrics[f"{name}_interval"]
    count = f"{metrics[f'{name}_pictures']} {'test ' * (name == 'test')}pictures"
    terminal.print(
        f"{metrics[f'{name}_accuracy']:.1%} of {count} right, 95% interval {low:.1%} to "
        f"{high:.1%} ({_describe_source(metrics)})"
    )
    terminal.print(_describe_calibration(metrics))
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
        return f"out of fold {metrics['out_of_fold_accuracy']:.1%}"
    return "out of fold: each classified by a model that was not trained on it"


def _describe_calibration(metrics: Mapping[str, Any]) -> str:
    error, unknown = metrics["calibration"], metrics["unknown"]
    text = (
        f"scores: off by {error['ece_after']:.1%} on average, {error['ece_before']:.1%} before "
        f"calibration, {error['ece_by_chance']:.1%} if they were exactly true"
    )
    if unknown["below"]:
        own = [below for below in unknown["below_by_label"].values() if below]
        others = f" (for some classes {min(own):.2f} to {max(own):.2f})" if own else ""
        text += f"\nunknown below {unknown['below']:.2f}{others}: "
        text += f"{unknown['test_answered']:.0%} answered"
        if unknown["test_answered"]:
            text += f", {unknown['test_precision']:.1%} of them right"
    elif not unknown["precision_reached"]:
        text += f"\nno threshold makes {unknown['precision_target']:.0%} of the answers right"
    if unknown["has_output"] and len(metrics["per_class"]) <= FEW_CLASSES:
        text += f"\n{FEW_CLASSES_ADVICE}"
    if unknown["pictures"]:
        text += (
            f"\nof {unknown['pictures']} pictures of none of the classes "
            f"{unknown['false_accepts']:.1%} are given a label"
        )
    return text
