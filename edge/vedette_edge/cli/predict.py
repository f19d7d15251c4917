"""One-shot prediction: pictures in files, and what the model says of each."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from vedette_edge.errors import ImageError
from vedette_edge.images import decoding
from vedette_edge.model.classifier import Classifier


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model says of one file: labels, or why it could not be read."""

    picture: Path
    top: tuple[tuple[str, float], ...] = ()  # label and score 0..1, best first
    error: str = ""


def predict(
    classifier: Classifier, paths: Iterable[Path], top_k: int, report: Callable[[str], None]
) -> Iterator[Prediction]:
    """Classify files one after the other. A bad one is reported and has an error."""
    for path in paths:
        try:
            picture_rgb = decoding.read_image(path)
        except ImageError as error:
            report(f"left out {error}")
            yield Prediction(path, error=str(error))
        else:
            yield Prediction(path, tuple(classifier.classify(picture_rgb).top(top_k)))


def as_table(predictions: Iterable[Prediction], advance: Callable[[], None]) -> Table:
    """A table for a person, of what could be read. `advance` is called after each file."""
    table = Table("picture", "label", "score", box=None, header_style="bold", pad_edge=False)
    table.columns[0].overflow = "fold"
    table.columns[2].justify = "right"
    for prediction in predictions:
        for rank, (label, score) in enumerate(prediction.top):
            table.add_row(str(prediction.picture) if rank == 0 else "", label, f"{score:.1%}")
        advance()
    return table


def as_json(prediction: Prediction) -> str:
    """One line of JSON: the picture with its label, score and top, or with its error."""
    row: dict[str, object] = {"picture": str(prediction.picture)}
    if prediction.error:
        return json.dumps(row | {"error": prediction.error}, ensure_ascii=False)
    label, score = prediction.top[0]
    top = [{"label": label, "score": round(score, 4)} for label, score in prediction.top]
    row |= {"label": label, "score": round(score, 4), "top": top}
    return json.dumps(row, ensure_ascii=False)


def as_csv(predictions: Iterable[Prediction], labels: Sequence[str], top_k: int) -> Iterator[str]:
    """Lines of CSV with a head: picture, a label and a score for each rank, and error."""
    top_k = min(top_k, len(labels))
    further = [f"{name}_{rank}" for rank in range(2, top_k + 1) for name in ("label", "score")]
    yield _csv_line(["picture", "label", "score", *further, "error"])
    for prediction in predictions:
        cells = [cell for label, score in prediction.top for cell in (label, f"{score:.4f}")]
        cells += [""] * (2 * top_k - len(cells))
        yield _csv_line([str(prediction.picture), *cells, prediction.error])


def _csv_line(cells: list[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    return line.getvalue()
