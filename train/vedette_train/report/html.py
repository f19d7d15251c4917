"""The page that tells a person what came of a run: one file, and nothing else is needed to read it.

What may be long is cut, and the page says where the rest stands; its size is bounded whatever
the number of pictures and classes.
"""

import base64
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import jinja2
import numpy as np
from markupsafe import Markup, escape

from vedette_edge.files import write_text
from vedette_edge.images.preprocessing import Image
from vedette_edge.model.contract import Contract
from vedette_train.config import FEW_CLASSES
from vedette_train.data.audit import FINDING_KINDS, Audit, Finding, FindingKind
from vedette_train.evaluation import confusions
from vedette_train.evaluation.calibration import Reliability
from vedette_train.evaluation.label_errors import LabelError
from vedette_train.evaluation.learning_curve import CurvePoint
from vedette_train.evaluation.predictions import Evaluation
from vedette_train.report import plots
from vedette_train.run.history import Epoch

THUMBNAIL_PX, THUMBNAIL_QUALITY = 112, 80
MOST_SAMPLES, MOST_WORST, MOST_PAIRS = 30, 18, 10
MOST_LABEL_ERRORS = 24
MOST_CLASSES = 60  # in the matrix and in the table
MOST_FINDINGS, MOST_IN_A_GROUP = 6, 4  # of a kind; files of one finding


@dataclass(frozen=True, slots=True)
class Report:
    """What the page tells."""

    contract: Contract
    settings: Mapping[str, object]  # what settings.json says, if it has a meaning
    metrics: Mapping[str, Any]  # what metrics.json says
    history: Sequence[Epoch]
    evaluation: Evaluation  # the judged answers, with calibrated scores
    files: Sequence[str]  # the files of its pictures, in its order
    before: Reliability  # of the same answers without the temperature
    after: Reliability  # with it
    audit: Audit
    samples: Sequence[tuple[str, Image]]  # label, prepared picture
    augmented: Image | None  # uint8, 16 x height x width x 3; None: no augmentation
    picture: Callable[[str], Image | None]  # a file's prepared picture; None: it was not read
    command: str = ""  # that made it, as it was typed
    name: str = ""  # of the run
    label_errors: Sequence[LabelError] = ()  # the likeliest first
    learning_curve: Sequence[CurvePoint] = ()


@dataclass(frozen=True, slots=True)
class Judged:
    """The figure that the model is judged by."""

    by_test: bool  # False: out of fold
    accuracy: float  # 0..1
    low: float  # 95 % interval
    high: float
    pictures: int


@dataclass(frozen=True, slots=True)
class Cell:
    """Pictures of one class that got one answer."""

    pictures: int
    share: float  # of the class's pictures, above 0 to 1
    right: bool
    told: str


@dataclass(frozen=True, slots=True)
class Matrix:
    """The confusion matrix, or the part of it in which most goes wrong."""

    labels: tuple[str, ...]
    rows: tuple[tuple[Cell | None, ...], ...]  # by truth, then answer; None: no picture
    side_px: int  # of a cell
    numbered: bool  # whether the cells are large enough for their numbers


@dataclass(frozen=True, slots=True)
class Concern:
    """What the audit found of one kind."""

    kind: FindingKind
    count: int
    shown: tuple[Finding, ...]


def write(report: Report, path: Path) -> None:
    """Write the page, whole or not at all."""
    write_text(path, _page(report))


def _page(report: Report) -> str:
    evaluation = report.evaluation
    return _template().render(
        report=report,
        metrics=report.metrics,
        contract=report.contract,
        samples=report.samples[:MOST_SAMPLES],
        commonest=float(np.bincount(evaluation.truth).max() / len(evaluation.truth)),
        right=int(evaluation.right.sum()),
        curves=_curves(report),
        judged=_judged(report.metrics),
        label_errors=report.label_errors[:MOST_LABEL_ERRORS],
        calibration=Markup(plots.calibration(report.before, report.after)),
        matrix=_matrix(evaluation),
        pairs=confusions.count_pairs(evaluation, MOST_PAIRS),
        classes=_hardest(report.metrics["per_class"]),
        worst=confusions.worst(evaluation, MOST_WORST),
        concerns=list(_concerns(report.audit)),
        most_in_a_group=MOST_IN_A_GROUP,
        few_classes=FEW_CLASSES,
    )


def _curves(report: Report) -> list[Markup]:
    """Curves of learning: by epoch, or by the number of pictures."""
    if report.history:
        return [Markup(plots.curve(report.history, one)) for one in ("accuracy", "loss")]
    return [Markup(plots.learning_curve(report.learning_curve))] if report.learning_curve else []


def _judged(metrics: Mapping[str, Any]) -> Judged:
    name = "test" if metrics["judged_by"] == "test" else "out_of_fold"
    low, high = metrics[f"{name}_interval"]
    accuracy, pictures = metrics[f"{name}_accuracy"], metrics[f"{name}_pictures"]
    return Judged(name == "test", accuracy, low, high, pictures)


def _template() -> jinja2.Template:
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
        "count": _counted,
        "duration": _duration,
        "thumbnail": _thumbnail,
        "plain": _plain,
        "breakable": _breakable,
    }
    return environment.get_template("report.html.j2")


def _matrix(evaluation: Evaluation) -> Matrix:
    counts = evaluation.confusion()
    shown = confusions.find_most_confused(counts, MOST_CLASSES)
    labels = evaluation.labels
    side = 38 if len(shown) <= 12 else 26 if len(shown) <= 25 else 16
    return Matrix(
        labels=tuple(labels[label] for label in shown),
        rows=tuple(
            tuple(_cell(labels, counts[row], row, column) for column in shown) for row in shown
        ),
        side_px=side,
        numbered=len(str(counts.max())) * 7 <= side,
    )


def _cell(labels: Sequence[str], counts: Any, row: int, column: int) -> Cell | None:
    """The cell of an answer, in the counts of its row of the confusion matrix."""
    pictures, of = int(counts[column]), int(counts.sum())
    if not pictures:
        return None
    right = row == column
    what = f"{labels[row]} right" if right else f"{labels[row]} taken for {labels[column]}"
    return Cell(pictures, pictures / of, right, f"{what}: {pictures:,} of {of:,}")


def _hardest(per_class: Mapping[str, Mapping[str, float]]) -> list[tuple[str, Mapping[str, float]]]:
    """The classes of the lowest F1, the lowest first."""
    return sorted(per_class.items(), key=lambda one: (one[1]["f1"], one[0]))[:MOST_CLASSES]


def _concerns(audit: Audit) -> Iterator[Concern]:
    for key, kind in FINDING_KINDS.items():
        if key == "label":  # has a section of its own
            continue
        found = [finding for finding in audit.findings if finding.kind == key]
        if found:
            yield Concern(kind, len(found), tuple(found[:MOST_FINDINGS]))


def _thumbnail(picture: Image) -> str:
    """The picture as a JPEG in a data: URI, its longer side at most THUMBNAIL_PX."""
    height, width = picture.shape[:2]
    scale = THUMBNAIL_PX / max(height, width)
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    picture_bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", picture_bgr, [cv2.IMWRITE_JPEG_QUALITY, THUMBNAIL_QUALITY])
    return f"data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode()}"


def _breakable(name: str) -> Markup:
    """A name that may go on in the next line where a person would break it."""
    return Markup(re.sub("([/_-])", r"\1<wbr>", str(escape(name))))


def _counted(number: int, one: str, more: str = "") -> str:
    return f"{number:,} {one if number == 1 else more or one + 's'}"


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _plain(value: object) -> str:
    """A value of a JSON file, for a person."""
    if value is None or value == "" or value == [] or value == {}:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)
