"""The report page of a run: one self-contained file.

Long lists are cut, and the page names the file with the rest, so that its size is bounded.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from vedette_edge.console import escape_unprintable
from vedette_edge.files import write_text
from vedette_edge.images.encoding import thumbnail_data_uri
from vedette_edge.images.preprocessing import Image
from vedette_edge.model.contract import Contract
from vedette_train.config import FEW_CLASSES
from vedette_train.data.audit import FINDING_KINDS, Audit, Finding, FindingKind
from vedette_train.evaluation import confusions
from vedette_train.evaluation.calibration import Reliability, tell_from_chance
from vedette_train.evaluation.label_errors import LabelError
from vedette_train.evaluation.predictions import Evaluation
from vedette_train.report import plots
from vedette_train.run.history import Epoch
from vedette_train.training.learning_curve import CurvePoint

THUMBNAIL_PX, THUMBNAIL_QUALITY = 112, 80
MOST_SAMPLES, MOST_WORST, MOST_PAIRS = 30, 18, 10
MOST_LABEL_ERRORS = 24
MOST_CLASSES = 60  # in the matrix and in the table
MOST_FINDINGS, MOST_IN_A_GROUP = 6, 4  # findings of a kind; files of a finding


@dataclass(frozen=True, slots=True)
class Report:
    """The content of the page."""

    contract: Contract
    settings: Mapping[str, object]  # of settings.json, those with an effect
    metrics: Mapping[str, Any]  # of metrics.json
    history: Sequence[Epoch]
    evaluation: Evaluation  # judges the model; its scores are calibrated
    files: Sequence[str]  # of its images, in its order
    before: Reliability  # of this evaluation without the temperature
    after: Reliability  # with it
    audit: Audit
    samples: Sequence[tuple[str, Image]]  # label, prepared image
    augmented: Image | None  # uint8, 16 x height x width x 3; None: no augmentation
    read_image: Callable[[str], Image | None]  # by file; None if it is not readable
    command: str = ""  # as the user typed it
    name: str = ""  # of the run
    label_errors: Sequence[LabelError] = ()  # the most likely first
    learning_curve: Sequence[CurvePoint] = ()


@dataclass(frozen=True, slots=True)
class Cell:
    """Images of one class that got one answer."""

    count: int
    share: float  # of the images of the class, above 0 to 1
    right: bool
    tooltip: str


@dataclass(frozen=True, slots=True)
class Matrix:
    """The confusion matrix, or the part of it with the most mistakes."""

    labels: tuple[str, ...]
    rows: tuple[tuple[Cell | None, ...], ...]  # by truth, then answer; None: no image
    side_px: int  # of a cell
    numbered: bool  # the cells are large enough for numbers


def write_report(report: Report, path: Path) -> None:
    """Write the page, whole or not at all."""
    evaluation, measured = report.evaluation, report.metrics["calibration"]
    page = _load_template().render(
        report=report,
        metrics=report.metrics,
        contract=report.contract,
        samples=report.samples[:MOST_SAMPLES],
        baseline=evaluation.baseline,
        right=int(evaluation.correct.sum()),
        curves=_render_curves(report),
        label_errors=report.label_errors[:MOST_LABEL_ERRORS],
        calibration=Markup(plots.render_calibration(report.before, report.after)),
        scores_judged=tell_from_chance(measured["ece_after"], measured["ece_by_chance"]),
        matrix=_build_matrix(evaluation),
        pairs=confusions.count_pairs(evaluation, MOST_PAIRS),
        classes=_select_hardest(report.metrics["per_class"]),
        worst=confusions.find_worst(evaluation, MOST_WORST),
        groups=_group_findings(report.audit),
        most_findings=MOST_FINDINGS,
        most_in_a_group=MOST_IN_A_GROUP,
        few_classes=FEW_CLASSES,
    )
    write_text(path, page, errors="backslashreplace")


def _render_curves(report: Report) -> list[Markup]:
    """Curves by epoch, or by the number of images."""
    if report.history:
        return [Markup(plots.render_curve(report.history, one)) for one in ("accuracy", "loss")]
    points = report.learning_curve
    return [Markup(plots.render_learning_curve(points))] if points else []


def _load_template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": "{:.1%}".format,
        "number": "{:,}".format,
        "count": _format_count,
        "duration": _format_duration,
        "thumbnail": lambda image: thumbnail_data_uri(image, THUMBNAIL_PX, THUMBNAIL_QUALITY),
        "plain": _format_value,
        "breakable": _insert_breaks,
    }
    return environment.get_template("report.html.j2")


def _build_matrix(evaluation: Evaluation) -> Matrix:
    counts = evaluation.count_confusions()
    shown = confusions.find_most_confused(counts, MOST_CLASSES)
    labels = evaluation.labels
    side = 38 if len(shown) <= 12 else 26 if len(shown) <= 25 else 16
    return Matrix(
        labels=tuple(labels[label] for label in shown),
        rows=tuple(
            tuple(_build_cell(labels, counts[row], row, column) for column in shown)
            for row in shown
        ),
        side_px=side,
        numbered=len(str(counts.max())) * 7 <= side,
    )


def _build_cell(labels: Sequence[str], counts: Any, row: int, column: int) -> Cell | None:
    """The cell of an answer; `counts` is its row of the confusion matrix."""
    count, of = int(counts[column]), int(counts.sum())
    if not count:
        return None
    right = row == column
    text = f"{labels[row]} right" if right else f"{labels[row]} taken for {labels[column]}"
    return Cell(count, count / of, right, f"{text}: {count:,} of {of:,}")


def _select_hardest(per_class: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The classes with the lowest F1, the lowest first."""
    return sorted(per_class.items(), key=lambda one: (one[1]["f1"], one[0]))[:MOST_CLASSES]


def _group_findings(audit: Audit) -> list[tuple[FindingKind, list[Finding]]]:
    """The findings of each kind but label errors, which have their own section."""
    groups: dict[str, list[Finding]] = {}
    for finding in audit.findings:
        groups.setdefault(finding.kind, []).append(finding)
    return [(FINDING_KINDS[kind], group) for kind, group in groups.items() if kind != "label"]


def _insert_breaks(name: str) -> Markup:
    """A name with line breaks allowed after `/`, `_` and `-`."""
    return Markup(re.sub("([/_-])", r"\1<wbr>", str(escape(escape_unprintable(name)))))


def _format_count(number: int, one: str, more: str = "") -> str:
    return f"{number:,} {one if number == 1 else more or one + 's'}"


def _format_duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _format_value(value: object) -> str:
    """Format a JSON value for a person."""
    if value is None or value == "" or value == [] or value == {}:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)
