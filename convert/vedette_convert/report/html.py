"""The report of a conversion as a self-contained HTML page."""

import os
import platform
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import jinja2

from vedette_convert.candidates import ConversionResult
from vedette_convert.evaluation.acceptance import SURE, Answer
from vedette_convert.quantization.scheme import ConvertConfig
from vedette_convert.report.units import format_size
from vedette_convert.run import Run
from vedette_edge.files import write_text
from vedette_edge.images.encoding import thumbnail_data_uri
from vedette_edge.model.interpreter import find_runtime

MOST_DISPUTED = 40  # pictures shown
MOST_CLASSES = 60  # in a confusion
MOST_LAYERS = 120
THUMBNAIL_PX, THUMBNAIL_QUALITY = 128, 80

Counts = Counter[tuple[str, str]]  # (truth, answer) -> pictures


@dataclass(frozen=True, slots=True)
class Confusion:
    """The confusion matrix of a model; the page shows the cells of at least one picture."""

    name: str  # of the model
    labels: tuple[str, ...]  # shown
    pictures: Counter[str]  # truth -> pictures
    counts: Counts
    others: Counts  # of the other model


def write_report(result: ConversionResult, run: Run, config: ConvertConfig) -> None:
    """Write the page beside the model file, whole or not at all."""
    candidate = result.best
    disputed = [one for one in candidate.answers if one.float_label != one.tflite_label]
    page = _load_template().render(
        name=result.file.name,
        result=result,
        candidate=candidate,
        verdict=candidate.verdict,
        contract=candidate.contract,
        refitted=run.head is not None and candidate.quantization == "int8",
        config=config,
        disputed=list(_list_disputed(disputed, run)),
        disputes=len(disputed),
        confusions=count_confusions(result, run.contract.labels),
        layers=candidate.layers[:MOST_LAYERS],
        largest_error=max((layer.error for layer in candidate.layers), default=1.0) or 1.0,
        versions={**run.contract.provenance.versions, **_read_versions()},
        machine=f"{platform.machine()}, {os.cpu_count()} cores",
    )
    write_text(result.report, page)


def _load_template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": lambda share: "unknown" if share is None else f"{share:.1%}",
        "size": format_size,
        "ms": lambda milliseconds: f"{milliseconds:.2f} ms",
        "points": lambda change: f"{100 * change:+.1f}",
        "interval": lambda ends: f"{ends[0]:.1%} to {ends[1]:.1%}" if ends else "",
    }
    environment.globals["sure"] = f"{SURE:.0%}"
    return environment.get_template("report.html.j2")


def _list_disputed(answers: Sequence[Answer], run: Run) -> Iterator[tuple[Answer, str]]:
    """List disputed pictures, those with the highest scores first, with data: URIs."""
    photographs = {photograph.file: photograph for photograph in run.photographs}
    surest = sorted(answers, key=lambda one: -max(one.float_score, one.tflite_score))
    for answer in surest[:MOST_DISPUTED]:
        image_rgb = photographs[answer.file].read()
        yield answer, thumbnail_data_uri(image_rgb, THUMBNAIL_PX, THUMBNAIL_QUALITY)


def count_confusions(result: ConversionResult, labels: Sequence[str]) -> list[Confusion]:
    """Count both models' confusions, of the same classes; none if no truth is known."""
    known = [one for one in result.best.answers if one.truth in labels]
    if not known:
        return []
    by_float = Counter((one.truth, one.float_label) for one in known)
    by_tflite = Counter((one.truth, one.tflite_label) for one in known)
    pictures = Counter(one.truth for one in known)
    shown = _select_most_confused(by_float + by_tflite, labels)
    return [
        Confusion("float", shown, pictures, by_float, by_tflite),
        Confusion(result.best.quantization, shown, pictures, by_tflite, by_float),
    ]


def _select_most_confused(counts: Counts, labels: Sequence[str]) -> tuple[str, ...]:
    """Select the labels with most mistakes, at most MOST_CLASSES, in their order."""
    mistakes: Counter[str] = Counter()
    for (truth, answer), pictures in counts.items():
        if truth != answer:
            mistakes.update({truth: pictures, answer: pictures})
    shown = set(sorted(labels, key=lambda label: -mistakes[label])[:MOST_CLASSES])
    return tuple(label for label in labels if label in shown)


def _read_versions() -> dict[str, str]:
    interpreter, _, version = find_runtime().name.partition(" ")
    packages = ("vedette-convert", "tensorflow", "keras")
    return {**{name: metadata.version(name) for name in packages}, interpreter: version}
