"""`vedette predict`: classify pictures in files."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from itertools import filterfalse, repeat
from pathlib import Path

import click

from vedette_edge.cli import options
from vedette_edge.cli.predict_output import (
    ResultOptions,
    open_target,
    print_end,
    report,
    result_options,
)
from vedette_edge.cli.predict_workers import Task, WorkerOptions, open_workers, worker_options
from vedette_edge.cli.self_test import run_self_test
from vedette_edge.console import Output, cli_session, escape_unprintable
from vedette_edge.images.large_blocks import keep_large_blocks
from vedette_edge.images.sources import find_pictures, is_url, require_picture
from vedette_edge.model.classifier import Classifier
from vedette_edge.model.overrides import ModelOverrides
from vedette_edge.prediction.prediction import File, Prediction
from vedette_edge.prediction.results_file import ResultsFile

EXAMPLES = """\b
Examples:
  vedette predict model.tflite photo.jpg
  vedette predict model.tflite photos/ --top-k 3
  vedette predict model.tflite 'photos/**/*.png' --json > labels.jsonl
  vedette predict model.tflite photos/test --evaluate
  vedette predict model.tflite archive/ --out results.jsonl --summary
  vedette predict model.tflite s3://season/ --out season.csv --cluster tcp://desk:8786
  vedette predict foreign.tflite photo.jpg --labels labels.txt --mean 127.5 --std 127.5
"""


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
@worker_options
@options.model_options
def predict(
    model: Path,
    images: tuple[str, ...],
    results: ResultOptions,
    top_k: int,
    evaluate: bool,
    workers: WorkerOptions,
    overrides: ModelOverrides,
) -> None:
    """Classify pictures: files, folders, patterns, and URLs such as s3://bucket/folder/."""
    with cli_session() as terminal:
        keep_large_blocks()
        classifier = Classifier(model, threads=workers.threads, overrides=overrides)
        labels = classifier.contract.labels
        batch = Batch(images, labels if evaluate else (), min(top_k, len(labels)))
        origin = describe_origin(classifier, batch, overrides)
        with open_target(results, batch.top_k, origin, terminal) as target:
            if isinstance(target, ResultsFile):
                batch = replace(batch, has_answer=target.has)
            total, first = batch.survey()  # which finds what is wrong before anything is classified
            run_self_test(classifier, terminal, skip=workers.no_self_test)
            task = Task(classifier, overrides, batch.top_k, first)
            with (
                open_workers(task, workers, terminal) as classify,
                closing(classify(batch.find_files(), total)) as predictions,
            ):
                tally = report(print_errors(predictions, terminal), total, target, terminal)
        print_end(tally, results, terminal)
    raise click.exceptions.Exit(options.UNREADABLE if tally.left_out else 0)


def _has_none(picture: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Batch:
    """Pictures to classify, and how."""

    images: Sequence[str]  # as on the command line
    labels: Sequence[str]  # true ones, for --evaluate; else none
    top_k: int  # labels of an answer
    has_answer: Callable[[str], bool] = _has_none  # true for a picture that is not to be classified

    def find_files(self) -> Iterator[File]:
        """Yield each file that has no answer. Raises click.UsageError and ImageError."""
        pictures = filterfalse(self.has_answer, find_pictures(self.images))
        return label_by_folder(pictures, self.labels) if self.labels else zip(pictures, repeat(""))

    def survey(self) -> tuple[int, str]:
        """Count the files that have no answer, and name the first, or "".

        Raises ImageError for URLs that are none of pictures, and as `find_files` does.
        """
        files = self.find_files()
        for image in filterfalse(self.has_answer, self.images):
            require_picture(image)
        first, _ = next(files, ("", ""))
        return bool(first) + sum(1 for _ in files), first


def describe_origin(
    classifier: Classifier, batch: Batch, overrides: ModelOverrides
) -> dict[str, object]:
    """Describe everything that the answers depend on, for JSON."""
    model = classifier.model
    absolute = all(is_url(image) or Path(image).is_absolute() for image in batch.images)
    return {
        "model": model.path.name,
        "model_sha256": hashlib.sha256(model.data).hexdigest(),
        "top_k": batch.top_k,
        "evaluate": bool(batch.labels),
        "folder": None if absolute else str(Path.cwd()),
        "overrides": asdict(overrides),
    }


def label_by_folder(pictures: Iterable[str], labels: Iterable[str]) -> Iterator[File]:
    """Yield each picture with the name of its folder. Raises click.UsageError if it is no label."""
    known = frozenset(labels)
    for picture in pictures:
        folder = Path(picture).absolute().parent.name
        if folder not in known:
            raise click.UsageError(
                f"--evaluate takes the name of a picture's folder as its true label, but "
                f"{escape_unprintable(picture)} lies in "
                f"{escape_unprintable(folder)!r}, which is no label of this model. "
                "Sort the pictures into folders named after the labels; vedette inspect lists them"
            )
        yield picture, folder


def print_errors(predictions: Iterable[Prediction], terminal: Output) -> Iterator[Prediction]:
    """Print the errors of predictions as they come, and yield all again."""
    for prediction in predictions:
        if prediction.error:
            terminal.print_left_out(prediction.error)
        yield prediction
