"""The lines that a run prints, for people."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from vedette_edge.console import escape_unprintable
from vedette_train.config import FEW_CLASSES, TrainConfig
from vedette_train.data.audit import FINDING_KINDS, Audit
from vedette_train.run import folder

if TYPE_CHECKING:  # it loads scikit-learn
    from vedette_train.data.training_data import TrainingData

FEW_CLASSES_ADVICE = (
    "with so few classes, unknown sees little: add a class folder of what the camera sees when "
    "nothing is there"
)
MOST_NAMED = 10  # files left out that are named; metrics.json names all


def print_material(material: "TrainingData", chosen: TrainConfig, terminal: Console) -> None:
    """Print what training begins with: classes, parts, findings and files left out."""
    pictures = material.contract.provenance.pictures
    parts = ", ".join(f"{count} {part}" for part, count in pictures.items() if count)
    terminal.print(f"{chosen.data}: {len(material.contract.labels)} classes, pictures: {parts}")
    if material.audit.findings:
        terminal.print(build_audit_table(material.audit))
    for file, reason in list(material.left_out.items())[:MOST_NAMED]:
        terminal.print(f"left out {file}: {reason}", style="yellow")
    if (more := len(material.left_out) - MOST_NAMED) > 0:
        terminal.print(f"... and {more} more; metrics.json will name them all", style="yellow")


def print_metrics(metrics: dict[str, Any], run: Path, terminal: Console) -> None:
    """Print what a run comes to."""
    name = "test" if metrics["judged_by"] == "test" else "out_of_fold"
    low, high = metrics[f"{name}_interval"]
    pictures = f"{metrics[f'{name}_pictures']} {'test ' * (name == 'test')}pictures"
    terminal.print(
        f"{metrics[f'{name}_accuracy']:.1%} of {pictures} right, 95% interval {low:.1%} to "
        f"{high:.1%} ({_how(metrics)})"
    )
    terminal.print(_calibration(metrics))
    terminal.print(
        f"{metrics['seconds']['all']:.0f} s, peak memory {metrics['peak_memory_mb']:.0f} MB\n"
        f"{run / folder.REPORT}: look at it in a browser"
    )


def _how(metrics: dict[str, Any]) -> str:
    if "epochs" in metrics:
        return (
            f"epoch {metrics['best_epoch']} of {metrics['epochs']} kept, "
            f"validation {metrics['validation_accuracy']:.1%}"
        )
    if metrics["judged_by"] == "test":
        return f"out of fold {metrics['out_of_fold_accuracy']:.1%}"
    return "out of fold: each judged by a model that did not learn from it"


def _calibration(metrics: dict[str, Any]) -> str:
    error, unknown = metrics["calibration"], metrics["unknown"]
    text = (
        f"scores: off by {error['ece_after']:.1%} on average, {error['ece_before']:.1%} before "
        f"calibration, {error['ece_by_chance']:.1%} if they were exactly true"
    )
    if unknown["below"]:
        own = [below for below in unknown["below_by_label"].values() if below]
        but = f" (classes of their own: {min(own):.2f} to {max(own):.2f})" if own else ""
        text += f"\nunknown below {unknown['below']:.2f}{but}: "
        text += f"{unknown['test_answered']:.0%} answered"
        if unknown["test_answered"]:
            text += f", {unknown['test_precision']:.1%} of them right"
    elif not unknown["precision_reached"]:
        text += f"\nno threshold makes {unknown['precision_wanted']:.0%} of the answers right"
    if unknown["has_output"] and len(metrics["per_class"]) <= FEW_CLASSES:
        text += f"\n{FEW_CLASSES_ADVICE}"
    if unknown["pictures"]:
        text += (
            f"\nof {unknown['pictures']} pictures of none of the classes "
            f"{unknown['false_accepts']:.1%} are given a label"
        )
    return text


def build_audit_table(audit: Audit) -> Table:
    """A row for each kind of finding: title, number of findings, an example, and advice."""
    rows = Table("found", "", "for example", "what to do", box=None, pad_edge=False)
    rows.columns[1].justify = "right"
    for kind, count in audit.count_kinds().items():
        first = next(finding for finding in audit.findings if finding.kind == kind)
        example = escape_unprintable(" ".join(first.files[:2]) or first.detail)
        title, advice = FINDING_KINDS[kind].title, FINDING_KINDS[kind].advice
        rows.add_row(title, str(count), Text(example, overflow="fold"), advice)
    return rows
