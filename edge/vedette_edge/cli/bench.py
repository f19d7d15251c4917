"""`vedette bench`: how fast the watch is on this machine."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vedette_edge.cli.model_options import model_options
from vedette_edge.cli.options import json_option, model_argument
from vedette_edge.cli.watch_options import size_option
from vedette_edge.click_types import FiniteFloat
from vedette_edge.console import INTERRUPTED, Output, cli_session

if TYPE_CHECKING:
    from vedette_edge.benchmark.runner import Comparison, Measurement
    from vedette_edge.cameras import CameraConfig
    from vedette_edge.model.classifier import Classifier
    from vedette_edge.model.uncontracted import ModelOverrides

    Row = tuple[Measurement, Comparison | None]  # None: interrupted before

THREADS = (1, 2, 4)
MOST_THREADS = 64


def _threads(context: click.Context, option: click.Parameter, text: str | None) -> tuple[int, ...]:
    if text is None:
        return tuple(count for count in THREADS if count <= (os.cpu_count() or 1))
    numbers = [int(part) if part.strip().isdecimal() else 0 for part in text.split(",")]
    if not all(1 <= number <= MOST_THREADS for number in numbers):
        raise click.BadParameter(
            f"{text!r} is not understood; expected numbers from 1 to {MOST_THREADS}, e.g. 1,2,4"
        )
    return tuple(numbers)


@click.command()
@model_argument
@click.option(
    "--camera",
    default="synthetic",
    show_default=True,
    metavar="SOURCE",
    help="As for vedette run; synthetic is drawn frames, from memory, at full speed.",
)
@size_option
@click.option(
    "--seconds",
    type=FiniteFloat(0.5, 86_400),
    default=10.0,
    show_default=True,
    help="That are watched, for each number of threads; about as long again is compared.",
)
@click.option(
    "--threads",
    metavar="N,N",
    callback=_threads,
    help="Interpreter threads, one run each.  [default: those of 1,2,4 that there are cores for]",
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
    overrides: "ModelOverrides",
) -> None:
    """Measure the watch: each stage, rate, age, memory, processor, beside bare resize and invoke.

    It is the watch that `vedette run` runs, with every frame logged, into a temporary file. Ctrl-C
    ends it with what was measured so far.

    \b
    Examples:
      vedette bench model.tflite
      vedette bench model.tflite --camera picamera2 --threads 2,4 --seconds 60
      vedette bench model.tflite --camera synthetic:1280x720@30 --json
    """
    from vedette_edge.cameras import CameraConfig
    from vedette_edge.model.classifier import Classifier

    rows: list[Row] = []
    with cli_session() as terminal:
        wish = CameraConfig(camera, *size, live=True, loop=True)
        try:
            for count in threads:
                classifier = Classifier(model, threads=count, overrides=overrides)
                _measure(classifier, count, wish, seconds, terminal, rows)
        except KeyboardInterrupt:
            if not rows:
                raise
            terminal.err.print("Stopped: this is what was measured so far.")
        _show(classifier, wish, rows, terminal, as_json)
    complete = len(rows) == len(threads) and rows[-1][1]
    raise click.exceptions.Exit(0 if complete else INTERRUPTED)


def _measure(
    classifier: "Classifier",
    threads: int,
    wish: "CameraConfig",
    seconds: float,
    terminal: Output,
    rows: "list[Row]",
) -> None:
    """Adds one row, with what it compares with if there was time for it."""
    from vedette_edge.benchmark.runner import compare, measure

    what = f"{threads} thread{'s' * (threads > 1)}"
    progress = _Progress(terminal)

    def tick(passed_s: float, frames: int) -> None:
        progress.show(f"{what}: {passed_s:.0f} of {seconds:g} s, {frames / passed_s:.0f} frames/s")

    try:
        progress.show(f"{what}: the camera opens")
        watched = measure(classifier, threads, wish, seconds, tick)
        rows.append((watched, None))
        if watched.interrupted:
            raise KeyboardInterrupt
        progress.show(f"{what}: resize and invoke alone, {watched.seconds:.0f} s")
        rows[-1] = (watched, compare(classifier, watched, wish))
    finally:
        progress.show("")


class _Progress:
    """One line on a terminal, written when there is something new: no thread disturbs the watch."""

    def __init__(self, terminal: Output) -> None:
        self._console = terminal.err

    def show(self, line: str) -> None:
        if self._console.is_terminal:
            self._console.file.write(f"\r\x1b[K{line}")
            self._console.file.flush()


def _show(
    classifier: "Classifier",
    wish: "CameraConfig",
    rows: "Sequence[Row]",
    terminal: Output,
    as_json: bool,
) -> None:
    from vedette_edge.benchmark import table

    about = {
        "model": classifier.model.path.name,
        "runtime": classifier.network.runtime,
        "camera": wish.name,
        "cores": os.cpu_count(),
    }
    if as_json:
        runs = [asdict(watched) | {"compared": them and asdict(them)} for watched, them in rows]
        terminal.print_line(json.dumps(rounded(about | {"runs": runs}), ensure_ascii=False))
        return
    terminal.out.print(", ".join(f"{value}" for value in about.values()) + " cores")
    terminal.out.print(table.render_stages(rows), soft_wrap=False)
    terminal.out.print(table.render_figures(rows), soft_wrap=False)


def rounded(value: Any) -> Any:
    """To four places, however deep a number lies."""
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [rounded(each) for each in value]
    return round(value, 4) if isinstance(value, float) else value
