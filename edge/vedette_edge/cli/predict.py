"""`vedette predict`: classify pictures in files."""

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from vedette_edge.cli import options
from vedette_edge.cli.self_test import run_self_test
from vedette_edge.console import Output, cli_session, escape_unprintable, format_answer
from vedette_edge.errors import ImageError, ScoresError
from vedette_edge.images.discovery import expand_paths
from vedette_edge.model.classifier import Classifier
from vedette_edge.model.overrides import ModelOverrides

EXAMPLES = """\b
Examples:
  vedette predict model.tflite photo.jpg
  vedette predict model.tflite photos/ --top-k 3
  vedette predict model.tflite 'photos/**/*.png' --json > labels.jsonl
  vedette predict model.tflite photos/test --evaluate
  vedette predict foreign.tflite photo.jpg --labels labels.txt --mean 127.5 --std 127.5
"""


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer for one file, or the error that prevented it."""

    path: Path
    true_label: str  # the name of the file's folder with --evaluate, else ""
    label: str = ""  # the first of `top`, or `unknown` where its score is below its threshold
    top: tuple[tuple[str, float], ...] = ()  # label and score 0..1, best first
    error: str = ""


class Tally:
    """Counts of predictions: all, left out, compared with a true label, and right."""

    def __init__(self) -> None:
        self.total = self.left_out = self.compared = self.right = 0

    def count(self, predictions: Iterable[Prediction]) -> Iterator[Prediction]:
        """Count the predictions, and yield them again."""
        for prediction in predictions:
            self.total += 1
            if prediction.error:
                self.left_out += 1
            elif prediction.true_label:
                self.compared += 1
                self.right += prediction.top[0][0] == prediction.true_label
            yield prediction

    def print_right(self, console: Console) -> None:
        """Print how many answers are right, if any was compared."""
        if self.compared:
            share = f"{self.right / self.compared:.1%}"
            console.print(f"{self.right} of {self.compared} right ({share})", style="bold")

    def print_left_out(self, console: Console) -> None:
        """Print how many pictures are left out, if any."""
        if self.left_out:
            console.print(f"{self.left_out} of {self.total} pictures left out", style="yellow")


@click.command(epilog=EXAMPLES)
@options.model_argument
@click.argument("images", nargs=-1, required=True, metavar="PICTURE...")
@options.json_option
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, for spreadsheets.")
@click.option("--top-k", type=click.IntRange(1), default=1, help="Number of labels to show.")
@click.option(
    "--evaluate",
    is_flag=True,
    help="Take each picture's folder as its true label: mark wrong answers, count the right ones.",
)
@options.threads_option
@options.no_self_test_option
@options.model_options
def predict(
    model: Path,
    images: tuple[str, ...],
    as_json: bool,
    as_csv: bool,
    top_k: int,
    evaluate: bool,
    threads: int | None,
    no_self_test: bool,
    overrides: ModelOverrides,
) -> None:
    """Classify pictures: files, folders and patterns."""
    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other")
    with cli_session() as terminal:
        tally, paths = Tally(), expand_paths(images)
        classifier = Classifier(model, threads=threads, overrides=overrides)
        labels = classifier.contract.labels
        files = list(label_by_folder(paths, labels) if evaluate else zip(paths, repeat("")))
        run_self_test(classifier, terminal, skip=no_self_test)
        predictions = tally.count(classify_files(classifier, files, top_k, terminal))
        if as_json:
            print_json(predictions, terminal)
        elif as_csv:
            print_csv(predictions, min(top_k, len(labels)), terminal)
        else:
            print_table(predictions, len(paths), terminal)
        tally.print_right(terminal.err if as_json or as_csv else terminal.out)
        tally.print_left_out(terminal.err)
    raise click.exceptions.Exit(options.UNREADABLE if tally.left_out else 0)


def label_by_folder(paths: Iterable[Path], labels: Iterable[str]) -> Iterator[tuple[Path, str]]:
    """Yield each file with the name of its folder. Raises click.UsageError if that is no label."""
    known = frozenset(labels)
    for path in paths:
        folder = path.absolute().parent.name
        if folder not in known:
            raise click.UsageError(
                f"--evaluate takes the name of a picture's folder as its true label, but "
                f"{escape_unprintable(str(path))} lies in "
                f"{escape_unprintable(folder)!r}, which is no label of this model. "
                "Sort the pictures into folders named after the labels; vedette inspect lists them"
            )
        yield path, folder


def classify_files(
    classifier: Classifier, files: Iterable[tuple[Path, str]], top_k: int, terminal: Output
) -> Iterator[Prediction]:
    """Classify files, each with its true label or "". Prints errors as they come."""
    for path, true_label in files:
        try:
            result = classifier.classify(path)
        except (ImageError, ScoresError) as error:
            message = str(error) if isinstance(error, ImageError) else f"{path}: {error}"
            terminal.err.print(f"left out {escape_unprintable(message)}", style="yellow")
            yield Prediction(path, true_label, error=message)
        else:
            yield Prediction(path, true_label, result.label, tuple(result.top(top_k)))


def print_table(predictions: Iterable[Prediction], total: int, terminal: Output) -> None:
    """Print all files that were classified as a table, at the end.

    An answer below its threshold is dim: `unknown`, and the best label in brackets. A wrong one is
    red, with the true label behind it.
    """
    table = Table("picture", "label", "score", "", box=None, header_style="bold", pad_edge=False)
    table.columns[0].overflow = "fold"
    table.columns[2].justify = "right"
    with terminal.show_progress("classifying", total) as advance:
        for prediction in predictions:
            for rank in range(len(prediction.top)):
                table.add_row(*_render_row(prediction, rank))
            advance()
    if table.row_count:
        terminal.out.print(table, soft_wrap=False)


def _render_row(prediction: Prediction, rank: int) -> tuple[Text, ...]:
    """Render the cells of one label of a picture; the first rank has the picture and the answer."""
    label, score = prediction.top[rank]
    if rank:
        return Text(), Text(label), Text(f"{score:.1%}")
    answer = format_answer(prediction.label, label)
    is_wrong = prediction.true_label not in ("", label)
    cells = [escape_unprintable(str(prediction.path)), answer, f"{score:.1%}"]
    cells += [f"wrong: {prediction.true_label}"] * is_wrong
    style = "red" if is_wrong else "" if answer == label else "dim"
    return tuple(Text(cell, style) for cell in cells)


def print_json(predictions: Iterable[Prediction], terminal: Output) -> None:
    """Print lines of JSON: a picture with label, best label, score and top, or with its error."""
    for prediction in predictions:
        row: dict[str, object] = {"picture": str(prediction.path)}
        if prediction.error:
            row["error"] = prediction.error
        else:
            top = [{"label": label, "score": round(score, 4)} for label, score in prediction.top]
            best, score = top[0].values()
            row |= {"label": prediction.label, "best": best, "score": score, "top": top}
        if prediction.true_label:
            row["true_label"] = prediction.true_label
        terminal.print_line(json.dumps(row, ensure_ascii=False))


def print_csv(predictions: Iterable[Prediction], top_k: int, terminal: Output) -> None:
    """Print lines of CSV with a header: picture, answer, labels and scores, error, true label.

    Only a terminal gets names with escapes in place of what would control it.
    """
    quote = escape_unprintable if terminal.out.is_terminal else str
    writer = csv.writer(terminal.out.file, lineterminator="\n")
    further = [f"{name}_{rank}" for rank in range(2, top_k + 1) for name in ("label", "score")]
    writer.writerow(["picture", "label", "best", "score", *further, "error", "true_label"])
    for prediction in predictions:
        cells = [cell for label, score in prediction.top for cell in (label, f"{score:.4f}")]
        cells += [""] * (2 * top_k - len(cells))
        path, error = quote(str(prediction.path)), quote(prediction.error)
        writer.writerow([path, prediction.label, *cells, error, prediction.true_label])
        terminal.out.file.flush()
