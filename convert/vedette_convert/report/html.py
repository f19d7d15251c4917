"""The page that shows a conversion to a person: one file that needs no other to be read."""

import base64
import os
import platform
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import cv2
import jinja2

from vedette_convert.evaluation.acceptance import SURE, Answer
from vedette_convert.evaluation.statistics import Interval
from vedette_convert.pipeline import ConversionResult, ConvertConfig
from vedette_convert.run import Photograph, Run
from vedette_edge.files import write_text
from vedette_edge.images.preprocessing import Image
from vedette_edge.model.interpreter import find_runtime

MOST_DISPUTED = 40  # pictures that are shown
MOST_CLASSES = 60  # in a confusion
MOST_LAYERS = 120
LONGEST_LABEL, LETTER_PX = 20, 6.5
THUMBNAIL_PX, THUMBNAIL_QUALITY = 128, 80


@dataclass(frozen=True, slots=True)
class Cell:
    """Pictures of one class that got one answer."""

    row: int  # the class
    column: int  # the answer
    pictures: int
    share: float  # of the class's pictures, above 0 to 1
    changed: bool  # the other model has another number here
    told: str


@dataclass(frozen=True, slots=True)
class Confusion:
    """What a model takes each class for."""

    name: str  # of the model
    labels: tuple[str, ...]
    cells: tuple[Cell, ...]  # those of at least one picture
    side_px: int  # of a cell
    margin_px: int  # what the labels take


@dataclass(frozen=True, slots=True)
class Disputed:
    """A picture that the models name differently."""

    answer: Answer
    thumbnail: str  # a data: URI
    outcome: str  # lost, gained or neither: which model is right


def write(judgement: ConversionResult, run: Run, wish: ConvertConfig, out: Path) -> Path:
    """Write the page beside `out`, whole or not at all; gives its path."""
    path = out.with_suffix(".report.html")
    write_text(path, _page(judgement, run, wish, out.name))
    return path


def _page(judgement: ConversionResult, run: Run, wish: ConvertConfig, name: str) -> str:
    attempt = judgement.attempt
    disputed = [one for one in attempt.answers if one.float_label != one.tflite_label]
    return _template().render(
        name=name,
        judgement=judgement,
        attempt=attempt,
        verdict=attempt.verdict,
        contract=attempt.contract,
        refitted=run.head is not None and attempt.quantization == "int8",
        wish=wish,
        disputed=list(_disputed(disputed, run)),
        disputes=len(disputed),
        confusions=confusions(judgement, run.contract.labels),
        layers=attempt.layers[:MOST_LAYERS],
        largest_error=max((layer.error for layer in attempt.layers), default=1.0) or 1.0,
        versions={**run.contract.provenance.versions, **_versions()},
        machine=f"{platform.machine()}, {os.cpu_count()} cores",
    )


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": lambda share: "unknown" if share is None else f"{share:.1%}",
        "size": lambda count: f"{count / 1e6:.2f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB",
        "ms": lambda milliseconds: f"{milliseconds:.2f} ms",
        "points": lambda change: f"{100 * change:+.1f}",
        "interval": _interval,
    }
    environment.globals |= {"longest_label": LONGEST_LABEL, "sure": f"{SURE:.0%}"}
    return environment.get_template("report.html.j2")


def _interval(interval: Interval | None) -> str:
    return f"{interval[0]:.1%} to {interval[1]:.1%}" if interval else ""


def _disputed(answers: Sequence[Answer], run: Run) -> Iterator[Disputed]:
    """The pictures of which either model is surest, first."""
    photographs = {str(photograph.file): photograph for photograph in run.photographs}
    surest = sorted(answers, key=lambda one: -max(one.float_score, one.tflite_score))
    for answer in surest[:MOST_DISPUTED]:
        yield Disputed(answer, _thumbnail(photographs[answer.file]), _outcome(answer))


def _outcome(answer: Answer) -> str:
    if answer.truth == answer.float_label:
        return "lost"
    return "gained" if answer.truth == answer.tflite_label else "neither"


def _thumbnail(photograph: Photograph) -> str:
    """The photograph as a JPEG in a data: URI, its longer side at most THUMBNAIL_PX."""
    picture: Image = photograph.read()
    height, width = picture.shape[:2]
    scale = min(1.0, THUMBNAIL_PX / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small_bgr = cv2.cvtColor(
        cv2.resize(picture, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2BGR
    )
    _, data = cv2.imencode(".jpg", small_bgr, [cv2.IMWRITE_JPEG_QUALITY, THUMBNAIL_QUALITY])
    return f"data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode()}"


def confusions(judgement: ConversionResult, labels: Sequence[str]) -> list[Confusion]:
    """Both models', with the same classes in them; none where no truth is known."""
    known = [one for one in judgement.attempt.answers if one.truth in labels]
    if not known:
        return []
    by_float = Counter((one.truth, one.float_label) for one in known)
    by_tflite = Counter((one.truth, one.tflite_label) for one in known)
    shown = _muddled(by_float + by_tflite, labels)
    name = judgement.attempt.quantization
    return [
        _confusion("float", by_float, by_tflite, shown),
        _confusion(name, by_tflite, by_float, shown),
    ]


def _muddled(counts: Counter[tuple[str, str]], labels: Sequence[str]) -> tuple[str, ...]:
    """The labels with most mistakes, at most MOST_CLASSES, in their order."""
    mistakes: Counter[str] = Counter()
    for (truth, answer), pictures in counts.items():
        if truth != answer:
            mistakes.update({truth: pictures, answer: pictures})
    shown = set(sorted(labels, key=lambda label: -mistakes[label])[:MOST_CLASSES])
    return tuple(label for label in labels if label in shown)


def _confusion(
    name: str,
    counts: Counter[tuple[str, str]],
    others: Counter[tuple[str, str]],
    labels: tuple[str, ...],
) -> Confusion:
    longest = min(LONGEST_LABEL, max(map(len, labels)))
    return Confusion(
        name=name,
        labels=labels,
        cells=tuple(sorted(_cells(counts, others, labels), key=lambda one: (one.row, one.column))),
        side_px=34 if len(labels) <= 12 else 22 if len(labels) <= 25 else 15,
        margin_px=round(12 + LETTER_PX * longest),
    )


def _cells(
    counts: Counter[tuple[str, str]],
    others: Counter[tuple[str, str]],
    labels: tuple[str, ...],
) -> list[Cell]:
    of_class: Counter[str] = Counter()
    for (truth, _), pictures in counts.items():
        of_class[truth] += pictures
    place = {label: number for number, label in enumerate(labels)}
    return [
        Cell(
            row=place[truth],
            column=place[answer],
            pictures=pictures,
            share=pictures / of_class[truth],
            changed=others[truth, answer] != pictures,
            told=f"{truth}, named {answer}: {pictures} of {of_class[truth]}"
            f" ({others[truth, answer]} by the other model)",
        )
        for (truth, answer), pictures in counts.items()
        if truth in place and answer in place
    ]


def _versions() -> dict[str, str]:
    interpreter, _, version = find_runtime().name.partition(" ")
    packages = ("vedette-convert", "tensorflow", "keras")
    return {**{name: metadata.version(name) for name in packages}, interpreter: version}
