"""The answers of `vedette predict`: a table, lines or a file, and what is said at the end."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from vedette_edge.cli import options
from vedette_edge.console import Output, escape_unprintable, format_answer
from vedette_edge.errors import SettingError, VedetteError
from vedette_edge.prediction.formats import Csv, Format, JsonLines
from vedette_edge.prediction.prediction import Prediction, Tally
from vedette_edge.prediction.results_file import ResultsFile

RESULT_SUFFIXES = (".jsonl", ".csv")

Target = ResultsFile | Format | None  # a file, lines on the output, or a table


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


@contextmanager
def open_target(
    results: ResultOptions, top_k: int, origin: Mapping[str, object], terminal: Output
) -> Iterator[Target]:
    """Open what the answers, of `top_k` labels each, are written to."""
    if results.out:
        form: Format = JsonLines() if results.out.suffix == ".jsonl" else Csv(top_k)
        with ResultsFile(results.out, form, origin) as file:
            yield file
    elif results.as_csv:
        yield Csv(top_k, escape_unprintable if terminal.out.is_terminal else str)
    else:
        yield JsonLines() if results.as_json else None


def report(
    predictions: Iterable[Prediction], total: int, target: Target, terminal: Output
) -> Tally:
    """Print or write predictions, `total` of them, as they come. Returns their counts."""
    if isinstance(target, ResultsFile):
        return write_results(predictions, total, target, terminal)
    if target:
        return print_lines(predictions, target, terminal)
    return print_table(predictions, total, terminal)


def write_results(
    predictions: Iterable[Prediction], total: int, results: ResultsFile, terminal: Output
) -> Tally:
    """Write the answers to a file. Returns the counts of all that it has."""
    out, err, tally = results.path, terminal.err, results.tally
    if tally.total:
        err.print(f"{out} has {tally.describe()}; {total:,} pictures are left")
    try:
        with terminal.show_progress("classifying", total) as advance:
            for prediction in predictions:
                results.write(prediction)
                advance()
    except (KeyboardInterrupt, VedetteError):
        if tally.total:
            err.print(f"{out} has {tally.describe()}; the same command goes on")
        raise
    return tally


def print_lines(predictions: Iterable[Prediction], form: Format, terminal: Output) -> Tally:
    """Print the answers as they come."""
    tally, stream = Tally(), terminal.out.file
    stream.write(form.header)
    for prediction in tally.count(predictions):
        stream.write(form.encode(prediction))
        stream.flush()
    return tally


def print_table(predictions: Iterable[Prediction], total: int, terminal: Output) -> Tally:
    """Print all files that were classified as a table, at the end.

    An answer below its threshold is dim: `unknown`, and the best label in brackets. A wrong one is
    red, with the true label behind it.
    """
    table = Table("picture", "label", "score", "", box=None, header_style="bold", pad_edge=False)
    table.columns[0].overflow = "fold"
    table.columns[2].justify = "right"
    tally = Tally()
    with terminal.show_progress("classifying", total) as advance:
        for prediction in tally.count(predictions):
            for rank in range(len(prediction.top)):
                table.add_row(*_render_row(prediction, rank))
            advance()
    if table.row_count:
        terminal.out.print(table, soft_wrap=False)
    return tally


def _render_row(prediction: Prediction, rank: int) -> tuple[Text, ...]:
    """Render the cells of one label of a picture; the first rank has the picture and the answer."""
    label, score = prediction.top[rank]
    if rank:
        return Text(), Text(label), Text(f"{score:.1%}")
    answer = format_answer(prediction.label, label)
    is_wrong = prediction.true_label not in ("", label)
    cells = [escape_unprintable(prediction.picture), answer, f"{score:.1%}"]
    cells += [f"wrong: {prediction.true_label}"] * is_wrong
    style = "red" if is_wrong else "" if answer == label else "dim"
    return tuple(Text(cell, style) for cell in cells)


def print_end(tally: Tally, results: ResultOptions, terminal: Output) -> None:
    """Print what is said at the end: where the output is for programs, among the errors."""
    console = terminal.err if results.as_json or results.as_csv else terminal.out
    if results.summary:
        print_summary(tally, console)
    print_counts(tally, console, terminal.err)


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
