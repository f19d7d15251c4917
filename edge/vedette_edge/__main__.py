"""The edge's command line: `vedette predict`, `vedette run`, `vedette inspect`."""

import json
from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing
from pathlib import Path

import click

from vedette_edge.command_line import Terminal, session

UNREADABLE = 4  # exit code: some pictures could not be read, all others were classified

model_argument = click.argument("model", type=click.Path(path_type=Path))
json_option = click.option("--json", "as_json", is_flag=True, help="JSON, for machines.")
threads_option = click.option(
    "--threads",
    type=click.IntRange(1, 64),
    help="Interpreter threads. [default: one a core, up to 4]",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="vedette-edge")
def main() -> None:
    """Classify pictures with a model file that carries its own contract.

    Results go to standard output, everything else to standard error. Exit codes: 0 all well,
    1 nothing could be done, 2 wrong command line, 4 some pictures could not be read,
    130 interrupted.
    """


@main.command()
@model_argument
@click.argument("images", nargs=-1, required=True, metavar="PICTURE...")
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="CSV, for spreadsheets.")
@click.option("--top-k", type=click.IntRange(1), default=1, show_default=True, help="Labels shown.")
@threads_option
def predict(
    model: Path,
    images: tuple[str, ...],
    as_json: bool,
    as_csv: bool,
    top_k: int,
    threads: int | None,
) -> None:
    """Classify pictures: files, folders and patterns.

    \b
    Examples:
      vedette predict model.tflite photo.jpg
      vedette predict model.tflite photos/ --top-k 3
      vedette predict model.tflite 'photos/**/*.png' --json > labels.jsonl
    """
    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other")
    from vedette_edge import pictures, prediction
    from vedette_edge.classifier import Classifier

    left_out: list[str] = []
    with session() as terminal:
        paths = pictures.expand(images)
        classifier = Classifier(model, threads=threads)
        report = _reporter(terminal, left_out)
        predictions = prediction.predict(classifier, paths, top_k, report)
        if as_json:
            _print_each(map(prediction.as_json, predictions), terminal)
        elif as_csv:
            _print_each(prediction.as_csv(predictions, classifier.contract, top_k), terminal)
        else:
            with terminal.progress("classifying", len(paths)) as advance:
                table = prediction.as_table(predictions, advance)
            terminal.out.print(table, soft_wrap=False)
    raise click.exceptions.Exit(UNREADABLE if left_out else 0)


@main.command()
@model_argument
@click.option("--camera", required=True, metavar="SOURCE", help="A folder of pictures or a video.")
@click.option("--live", is_flag=True, help="Newest frame first: a video runs at its own rate.")
@click.option("--log", type=click.Path(path_type=Path), help="Append JSON lines to this file.")
@json_option
@threads_option
def run(
    model: Path, camera: str, live: bool, log: Path | None, as_json: bool, threads: int | None
) -> None:
    """Watch: classify every frame of a camera and log its label.

    \b
    Examples:
      vedette run model.tflite --camera frames/
      vedette run model.tflite --camera clip.mp4 --live --log watch.jsonl
    """
    from vedette_edge import watch as watching
    from vedette_edge.cameras import open_camera
    from vedette_edge.capture import newest
    from vedette_edge.classifier import Classifier

    left_out: list[str] = []
    with session() as terminal, ExitStack() as stack:
        classifier = Classifier(model, threads=threads)
        report = _reporter(terminal, left_out)
        frames = open_camera(camera, report, live=live)
        frames = stack.enter_context(closing(newest(frames) if live else frames))
        render = watching.as_json if as_json else watching.as_line
        sinks = [lambda sighting: terminal.line(render(sighting))]
        if log:
            file = stack.enter_context(
                log.open("a", 1, encoding="utf-8", errors="backslashreplace")
            )
            sinks.append(lambda sighting: print(watching.as_json(sighting), file=file))
        tally = watching.Tally()
        try:
            watching.watch(classifier, frames, sinks, tally)
        finally:
            terminal.err.print(tally.summary())
    raise click.exceptions.Exit(UNREADABLE if left_out else 0)


@main.command()
@model_argument
@json_option
def inspect(model: Path, as_json: bool) -> None:
    """Show what a model file carries: contract, labels, tensors, sizes.

    \b
    Examples:
      vedette inspect model.tflite
      vedette inspect model.tflite --json | jq .contract.labels
    """
    from vedette_edge import inspection
    from vedette_edge.classifier import Classifier

    with session() as terminal:
        found = inspection.inspect(Classifier(model))
        if as_json:
            terminal.out.print(json.dumps(found, indent=2, ensure_ascii=False))
        else:
            terminal.out.print(inspection.as_text(found))


def _reporter(terminal: Terminal, left_out: list[str]) -> Callable[[str], None]:
    """Says what was left out, and notes it for the exit code."""

    def report(line: str) -> None:
        left_out.append(line)
        terminal.err.print(line, style="yellow")

    return report


def _print_each(lines: Iterable[str], terminal: Terminal) -> None:
    for line in lines:
        terminal.line(line)


if __name__ == "__main__":
    main()
