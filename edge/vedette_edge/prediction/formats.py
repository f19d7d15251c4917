"""Predictions as lines of JSON and of CSV, and back."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from vedette_edge.prediction.prediction import Prediction


class Format(Protocol):
    """A format of predictions: text of some lines for each."""

    @property
    def header(self) -> str: ...  # empty, or a line

    def encode(self, prediction: Prediction) -> str: ...  # with a line feed at the end

    def decode(self, text: str) -> Prediction: ...  # ValueError for anything else

    def split(self, lines: Iterator[bytes]) -> Iterator[bytes]: ...  # of each prediction, whole


class JsonLines:
    """A line of JSON each: a picture with label, best label, score and top, or with its error."""

    header = ""

    def encode(self, prediction: Prediction) -> str:
        """Encode a prediction."""
        row: dict[str, object] = {"picture": prediction.picture}
        if prediction.error:
            row["error"] = prediction.error
        else:
            top = [{"label": label, "score": round(score, 4)} for label, score in prediction.top]
            best, score = top[0].values()
            row |= {"label": prediction.label, "best": best, "score": score, "top": top}
        if prediction.true_label:
            row["true_label"] = prediction.true_label
        return f"{json.dumps(row, ensure_ascii=False)}\n"

    def decode(self, text: str) -> Prediction:
        """Decode a prediction. Raises ValueError."""
        row: dict[str, Any] = json.loads(text)
        try:
            top = tuple((one["label"], float(one["score"])) for one in row.get("top", ()))
            texts = [row.get(name, "") for name in ("true_label", "label", "error")]
            return _create_prediction(row["picture"], texts, top)
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError("no answer for a picture") from error

    def split(self, lines: Iterator[bytes]) -> Iterator[bytes]:
        """Yield each whole line."""
        return (line for line in lines if line.endswith(b"\n"))


class Csv:
    """CSV for spreadsheets: picture, answer, labels and scores, error, true label."""

    def __init__(self, top_k: int, escape: Callable[[str], str] = str) -> None:
        """`escape` is applied to names and errors: a terminal gets no control characters."""
        self._top_k, self._escape = top_k, escape
        further = [f"{name}_{rank}" for rank in range(2, top_k + 1) for name in ("label", "score")]
        names = ["picture", "label", "best", "score", *further, "error", "true_label"]
        self.header = _encode_row(names)

    def encode(self, prediction: Prediction) -> str:
        """Encode a prediction."""
        cells = [cell for label, score in prediction.top for cell in (label, f"{score:.4f}")]
        cells += [""] * (2 * self._top_k - len(cells))
        path, error = self._escape(prediction.picture), self._escape(prediction.error)
        return _encode_row([path, prediction.label, *cells, error, prediction.true_label])

    def decode(self, text: str) -> Prediction:
        """Decode a prediction. Raises ValueError."""
        rows = list(csv.reader(io.StringIO(text, newline="")))
        if len(rows) != 1 or len(rows[0]) != 2 * self._top_k + 4:
            raise ValueError("no answer for a picture")
        picture, label, *cells, error, true_label = rows[0]
        pairs = zip(cells[::2], cells[1::2], strict=True)
        top = tuple((name, float(score)) for name, score in pairs if name)
        return _create_prediction(picture, [true_label, label, error], top)

    def split(self, lines: Iterator[bytes]) -> Iterator[bytes]:
        """Yield the lines of each row, which has several where a quoted name has some."""
        row = b""
        for line in lines:
            row += line
            if row.endswith(b"\n") and row.count(b'"') % 2 == 0:
                yield row
                row = b""


def _encode_row(cells: Sequence[str]) -> str:
    text = io.StringIO(newline="")
    # Python's writer leaves a carriage return without quotes, at which its reader ends the row.
    everything = "\r" in "".join(cells)
    csv.writer(
        text, lineterminator="\n", quoting=csv.QUOTE_ALL if everything else csv.QUOTE_MINIMAL
    ).writerow(cells)
    return text.getvalue()


def _create_prediction(
    picture: str, texts: Sequence[str], top: tuple[tuple[str, float], ...]
) -> Prediction:
    true_label, label, error = texts
    if not all(isinstance(text, str) for text in (picture, *texts)) or bool(error) == bool(top):
        raise ValueError("no answer for a picture")
    return Prediction(picture, true_label, label, top, error)
