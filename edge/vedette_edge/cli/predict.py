"""`vedette predict`: classify pictures in files."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import repeat
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from vedette_edge.cli import options
from vedette_edge.cli.self_test import run_self_test
from vedette_edge.console import Output, cli_session, escape_unprintable, format_answer
from vedette_edge.errors import SettingError
from vedette_edge.images.discovery import expand_paths
from vedette_edge.images.large_blocks import keep_large_blocks
from vedette_edge.model.classifier import Classifier
from vedette_edge.model.overrides import ModelOverrides
from vedette_edge.prediction.formats import Csv, Format, JsonLines
from vedette_edge.prediction.prediction import Prediction, Tally
from vedette_edge.prediction.results_file import ResultsFile
from vedette_edge.prediction.workers import classify_files, find_workers

EXAMPLES = """\b
Examples:
  vedette predict model.tflite photo.jpg
  vedette predict model.tflite photos/ --top-k 3
  vedette predict model.tflite 'photos/**/*.png' --json > labels.jsonl
  vedette predict model.tflite photos/test --evaluate
  vedette predict model.tflite archive/ --out results.jsonl --summary
  vedette predict foreign.tflite photo.jpg --labels labels.txt --mean 127.5 --std 127.5
"""
RESULT_SUFFIXES = (".jsonl", ".csv")

Skip = Callable[[Path], bool]  # true for a picture that is not to be classified


@dataclass(frozen=True, slots=True)
class ResultOptions:
    """The form of the answers: a table, or what one of these says."""

    as_json: bool
    as_csv: bool
    out: Path | None
    summary: bool

    def __post_init__(self) -> None:
        if self.as_json + self.as_csv + bool(self.out) > 1:
            raise SettingError("--json, --csv and --out exclude each other")
        if self.out and self.out.suffix not in RESULT_SUFFIXES:
            raise SettingError(f"--out {self.out}: expected a name ending in .jsonl or .csv")


result_options = options.collect_options(
    "results",
    ResultOptions,
    options.json_option,
    click.option("--csv", "as_csv", is_flag=True, help="Print CSV, for spreadsheets."),
    click.option(
        "--out",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="Write to a .jsonl or .csv file. If it is interrupted, the same command goes on.",
    ),
    click.option(
        "--summary", is_flag=True, help="Print how many pictures each label has, at the end."
    ),
)


@click.command(epilog=EXAMPLES)
@options.model_argument
@click.argument("images", nargs=-1, required=True, metavar="PICTURE...")
@result_options
@click.option("--top-k", type=click.IntRange(1), default=1, help="Number of labels to show.")
@click.option(
    "--evaluate",
    is_flag=True,
    help="Take each picture's folder as its true label: mark wrong answers, count the right ones.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 256),
    show_default="one per core, if there is memory",
    help="Pictures that are classified at once.",
)
@click.option(
    "--threads",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Threads of the interpreter, for each picture.",
)
@options.no_self_test_option
@options.model_options
def predict(
    model: Path,
    images: tuple[str, ...],
    results: ResultOptions,
    top_k: int,
    evaluate: bool,
    workers: int | None,
    threads: int,
    no_self_test: bool,
    overrides: ModelOverrides,
) -> None:
    """Classify pictures: files, folders and patterns."""
    with cli_session() as terminal:
        keep_large_blocks()
        classifier = Classifier(model, threads=threads, overrides=overrides)
        batch = Batch(classifier, images, evaluate, top_k, workers or find_workers(), terminal)
        total = batch.count()  # which finds what is wrong before anything is classified
        run_self_test(classifier, terminal, skip=no_self_test)
        tally = report(batch, results, total, overrides)
    raise click.exceptions.Exit(options.UNREADABLE if tally.left_out else 0)


def _skip_none(path: Path) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Batch:
    """Pictures to classify, and how."""

    classifier: Classifier
    images: Sequence[str]  # as on the command line
    evaluate: bool
    top_k: int
    workers: int
    terminal: Output

    def find_files(self) -> Iterator[tuple[Path, str]]:
        """Yield each file with its true label, or "". Raises click.UsageError and ImageError."""
        paths = expand_paths(self.images)
        if not self.evaluate:
            return zip(paths, repeat(""))
        return label_by_folder(paths, self.classifier.contract.labels)

    def count(self, skip: Skip = _skip_none) -> int:
        """Count the pictures."""
        return sum(not skip(path) for path, _ in self.find_files())

    def classify(self, skip: Skip = _skip_none) -> Iterator[Prediction]:
        """Classify the pictures. Prints errors as they come."""
        files = (file for file in self.find_files() if not skip(file[0]))
        for prediction in classify_files(self.classifier, files, self.top_k, self.workers):
            if prediction.error:
                message = f"left out {escape_unprintable(prediction.error)}"
                self.terminal.err.print(message, style="yellow")
            yield prediction

    def describe_origin(self, overrides: ModelOverrides) -> dict[str, object]:
        """Describe everything that the answers depend on, for JSON."""
        model = self.classifier.model
        return {
            "model": model.path.name,
            "model_sha256": hashlib.sha256(model.data).hexdigest(),
            "top_k": self.top_k,
            "evaluate": self.evaluate,
            "folder": None if all(map(os.path.isabs, self.images)) else str(Path.cwd()),
            "overrides": asdict(overrides),
        }

    @property
    def most_labels(self) -> int:
        """The number of labels of an answer: `top_k`, or all that there are."""
        return min(self.top_k, len(self.classifier.contract.labels))


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


def report(batch: Batch, results: ResultOptions, total: int, overrides: ModelOverrides) -> Tally:
    """Classify the pictures; print or write the answers, and what is to be said at the end."""
    if results.out:
        tally = write_results(batch, results.out, overrides)
    elif results.as_json or results.as_csv:
        escape = escape_unprintable if batch.terminal.out.is_terminal else str
        form = Csv(batch.most_labels, escape) if results.as_csv else JsonLines()
        tally = print_lines(batch, form)
    else:
        tally = print_table(batch, total)
    terminal = batch.terminal
    console = terminal.err if results.as_json or results.as_csv else terminal.out
    if results.summary:
        print_summary(tally, console)
    print_counts(tally, console, terminal.err)
    return tally


def write_results(batch: Batch, out: Path, overrides: ModelOverrides) -> Tally:
    """Write the answers to a file. Those that it has already are not asked for again."""
    form: Format = JsonLines() if out.suffix == ".jsonl" else Csv(batch.most_labels)
    err, origin = batch.terminal.err, batch.describe_origin(overrides)
    with ResultsFile(out, form, origin) as results:
        left = batch.count(results.has)
        if results.tally.total:
            err.print(f"{out} has {results.tally.describe()}; {left:,} pictures are left")
        try:
            with batch.terminal.show_progress("classifying", left) as advance:
                for prediction in batch.classify(results.has):
                    results.write(prediction)
                    advance()
        except KeyboardInterrupt:
            err.print(f"{out} has {results.tally.describe()}; the same command goes on")
            raise
    return results.tally


def print_lines(batch: Batch, form: Format) -> Tally:
    """Print the answers as they come."""
    tally, stream = Tally(), batch.terminal.out.file
    stream.write(form.header)
    for prediction in tally.count(batch.classify()):
        stream.write(form.encode(prediction))
        stream.flush()
    return tally


def print_table(batch: Batch, total: int) -> Tally:
    """Print all files that were classified as a table, at the end.

    An answer below its threshold is dim: `unknown`, and the best label in brackets. A wrong one is
    red, with the true label behind it.
    """
    table = Table("picture", "label", "score", "", box=None, header_style="bold", pad_edge=False)
    table.columns[0].overflow = "fold"
    table.columns[2].justify = "right"
    tally = Tally()
    with batch.terminal.show_progress("classifying", total) as advance:
        for prediction in tally.count(batch.classify()):
            for rank in range(len(prediction.top)):
                table.add_row(*_render_row(prediction, rank))
            advance()
    if table.row_count:
        batch.terminal.out.print(table, soft_wrap=False)
    return tally


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


def print_summary(tally: Tally, console: Console) -> None:
    """Print how many pictures each label has, most first."""
    table = Table("label", "pictures", "share", box=None, header_style="bold", pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    counts = [*tally.labels.most_common(), ("left out", tally.left_out)]
    for label, count in counts[: len(counts) - (not tally.left_out)]:
        table.add_row(Text(label), f"{count:,}", f"{count / tally.total:.1%}")
    console.print(table, soft_wrap=False)


def print_counts(tally: Tally, console: Console, err: Console) -> None:
    """Print how many answers are right, if any was compared, and how many pictures are left out."""
    if tally.compared:
        share = f"{tally.right / tally.compared:.1%}"
        console.print(f"{tally.right} of {tally.compared} right ({share})", style="bold")
    if tally.left_out:
        err.print(f"{tally.left_out} of {tally.total} pictures left out", style="yellow")
