"""`vedette predict`: classify pictures in files."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click
from rich.table import Table

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
  vedette predict foreign.tflite photo.jpg --labels labels.txt --mean 127.5 --std 127.5
"""


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer for one file, or the error that prevented it."""

    path: Path
    label: str = ""  # the first of `top`, or `unknown` where its score is below its threshold
    top: tuple[tuple[str, float], ...] = ()  # label and score 0..1, best first
    error: str = ""


@click.command(epilog=EXAMPLES)
@options.model_argument
@click.argument("images", nargs=-1, required=True, metavar="PICTURE...")
@options.json_option
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, for spreadsheets.")
@click.option("--top-k", type=click.IntRange(1), default=1, help="Number of labels to show.")
@options.threads_option
@options.no_self_test_option
@options.model_options
def predict(
    model: Path,
    images: tuple[str, ...],
    as_json: bool,
    as_csv: bool,
    top_k: int,
    threads: int | None,
    no_self_test: bool,
    overrides: ModelOverrides,
) -> None:
    """Classify pictures: files, folders and patterns."""
    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other")
    errors: list[str] = []
    with cli_session() as terminal:
        paths = expand_paths(images)
        classifier = Classifier(model, threads=threads, overrides=overrides)
        run_self_test(classifier, terminal, skip=no_self_test)
        predictions = classify_files(classifier, paths, top_k, terminal, errors)
        if as_json:
            print_json(predictions, terminal)
        elif as_csv:
            print_csv(predictions, min(top_k, len(classifier.contract.labels)), terminal)
        else:
            with terminal.show_progress("classifying", len(paths)) as advance:
                table = render_table(predictions, advance)
            terminal.out.print(table, soft_wrap=False)
        if errors:
            terminal.err.print(f"{len(errors)} of {len(paths)} pictures left out", style="yellow")
    raise click.exceptions.Exit(options.UNREADABLE if errors else 0)


def classify_files(
    classifier: Classifier, paths: Iterable[Path], top_k: int, terminal: Output, errors: list[str]
) -> Iterator[Prediction]:
    """Classify files one after the other. Prints errors as they come and adds them to `errors`."""
    for path in paths:
        try:
            result = classifier.classify(path)
        except (ImageError, ScoresError) as error:
            message = str(error) if isinstance(error, ImageError) else f"{path}: {error}"
            errors.append(message)
            terminal.err.print(f"left out {escape_unprintable(message)}", style="yellow")
            yield Prediction(path, error=message)
        else:
            yield Prediction(path, result.label, tuple(result.top(top_k)))


def render_table(predictions: Iterable[Prediction], advance: Callable[[], None]) -> Table:
    """Render all files that were classified as a table. Calls `advance` after each file.

    An answer below its threshold is dim: `unknown`, and the best label in brackets.
    """
    table = Table("picture", "label", "score", box=None, header_style="bold", pad_edge=False)
    table.columns[0].overflow = "fold"
    table.columns[2].justify = "right"
    for prediction in predictions:
        for rank, (label, score) in enumerate(prediction.top):
            path = "" if rank else escape_unprintable(str(prediction.path))
            answer = label if rank else format_answer(prediction.label, label)
            style = None if answer == label else "dim"
            table.add_row(path, answer, f"{score:.1%}", style=style)
        advance()
    return table


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
        terminal.print_line(json.dumps(row, ensure_ascii=False))


def print_csv(predictions: Iterable[Prediction], top_k: int, terminal: Output) -> None:
    """Print lines of CSV with a header: picture, answer, best label, scores of ranks, and error.

    Only a terminal gets names with escapes in place of what would control it.
    """
    quote = escape_unprintable if terminal.out.is_terminal else str
    writer = csv.writer(terminal.out.file, lineterminator="\n")
    further = [f"{name}_{rank}" for rank in range(2, top_k + 1) for name in ("label", "score")]
    writer.writerow(["picture", "label", "best", "score", *further, "error"])
    for prediction in predictions:
        cells = [cell for label, score in prediction.top for cell in (label, f"{score:.4f}")]
        cells += [""] * (2 * top_k - len(cells))
        path, error = quote(str(prediction.path)), quote(prediction.error)
        writer.writerow([path, prediction.label, *cells, error])
        terminal.out.file.flush()
