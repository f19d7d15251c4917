"""`vedette bench`: the speed of the watch on this machine."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import click
from rich.console import Console

from vedette_edge.benchmark.runner import Measurement, compare, measure
from vedette_edge.benchmark.table import render_tables
from vedette_edge.cameras.config import CameraConfig
from vedette_edge.cli.options import json_option, model_argument, model_options
from vedette_edge.cli.watch_options import size_option
from vedette_edge.click_types import FiniteFloat
from vedette_edge.console import Output, cli_session
from vedette_edge.interrupt import INTERRUPTED
from vedette_edge.model.classifier import Classifier
from vedette_edge.model.overrides import ModelOverrides

MAX_THREADS = 64
EXAMPLES = """\b
Examples:
  vedette bench model.tflite
  vedette bench model.tflite --camera picamera2 --threads 2,4 --seconds 60
  vedette bench model.tflite --camera synthetic:1280x720@30 --json
"""


def _parse_threads(text: str) -> tuple[int, ...]:
    numbers = [int(part) if part.strip().isdecimal() else 0 for part in text.split(",")]
    if not all(1 <= number <= MAX_THREADS for number in numbers):
        raise click.BadParameter(f"{text!r}: expected numbers from 1 to {MAX_THREADS}, e.g. 1,2,4")
    return tuple(numbers)


@click.command(epilog=EXAMPLES)
@model_argument
@click.option(
    "--camera",
    default="synthetic",
    metavar="SOURCE",
    help="As for vedette run; synthetic is drawn frames, from memory, at full speed.",
)
@size_option
@click.option(
    "--seconds",
    type=FiniteFloat(0.5, 86_400),
    default=10.0,
    help="Seconds to watch per number of threads; the comparison takes about as long again.",
)
@click.option(
    "--threads",
    metavar="N,N",
    type=_parse_threads,
    default=",".join(str(count) for count in (1, 2, 4) if count <= (os.cpu_count() or 1)),
    help="Threads of the interpreter, one run for each number.",
)
@json_option
@model_options
def bench(
    model: Path,
    camera: str,
    size: tuple[int, int],
    seconds: float,
    threads: tuple[int, ...],
    as_json: bool,
    overrides: ModelOverrides,
) -> None:
    """Measure the watch: frames/s, age of labels, memory, and the time of each step.

    This is the watch of `vedette run` with every frame logged. Afterwards, one process only resizes
    and runs the model, for comparison. Ctrl-C shows what it has so far.
    """
    runs: list[Measurement] = []
    with cli_session() as terminal:
        config = CameraConfig(camera, *size, live=True, loop=True)
        try:
            for count in threads:
                classifier = Classifier(model, threads=count, overrides=overrides)
                runs.append(_measure(classifier, count, config, seconds, terminal.err))
                if not runs[-1].compared:
                    raise KeyboardInterrupt
        except KeyboardInterrupt:
            if not runs:
                raise
            terminal.err.print("Stopped: this is what was measured so far.")
        (_print_json if as_json else _print_tables)(_describe(classifier, config), runs, terminal)
    complete = len(runs) == len(threads) and runs[-1].compared
    raise click.exceptions.Exit(0 if complete else INTERRUPTED)


def _measure(
    classifier: Classifier, threads: int, camera: CameraConfig, seconds: float, console: Console
) -> Measurement:
    """Measure with one number of threads. Ctrl-C leaves the comparison out."""
    show = partial(_show_status, console, f"{threads} thread{'s' * (threads > 1)}: ")

    def show_rate(passed_s: float, frames: int) -> None:
        show(f"{passed_s:.0f} of {seconds:g} s, {frames / passed_s:.0f} frames/s")

    try:
        show("opening the camera")
        measurement = measure(classifier, threads, camera, seconds, show_rate)
        if measurement.interrupted:
            return measurement
        show(f"only resize and model, {measurement.seconds:.0f} s")
        try:
            return replace(measurement, compared=compare(classifier, measurement, camera))
        except KeyboardInterrupt:
            return measurement
    finally:
        _show_status(console, "", "")


def _show_status(console: Console, title: str, line: str) -> None:
    """Replace the status line on a terminal. A thread that redraws would disturb the watch."""
    if console.is_terminal:
        console.file.write(f"\r\x1b[K{title}{line}")
        console.file.flush()


def _describe(classifier: Classifier, camera: CameraConfig) -> dict[str, object]:
    return {
        "model": classifier.model.path.name,
        "runtime": classifier.network.runtime,
        "camera": camera.name,
        "cores": os.cpu_count(),
    }


def _print_json(summary: dict[str, object], runs: Sequence[Measurement], terminal: Output) -> None:
    text = json.dumps(summary | {"runs": [asdict(run) for run in runs]})
    rounded = json.loads(text, parse_float=lambda number: round(float(number), 4))
    terminal.print_line(json.dumps(rounded, ensure_ascii=False))


def _print_tables(
    summary: dict[str, object], runs: Sequence[Measurement], terminal: Output
) -> None:
    terminal.out.print(", ".join(map(str, summary.values())) + " cores")
    for table in render_tables(runs):
        terminal.out.print()
        terminal.out.print(table, soft_wrap=False)
