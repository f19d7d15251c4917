"""The edge's command line: `vedette predict`, `run`, `log`, `inspect`, `check` and `bench`."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vedette_edge.cli.bench import bench as bench_command
from vedette_edge.cli.check import check as check_command
from vedette_edge.cli.log import log as log_command
from vedette_edge.cli.model_options import model_options
from vedette_edge.cli.options import (
    UNREADABLE,
    json_option,
    model_argument,
    no_self_test_option,
    run_self_test,
    threads_option,
)
from vedette_edge.cli.run import run as run_command
from vedette_edge.console import Output, cli_session
from vedette_edge.images import discovery

if TYPE_CHECKING:
    from vedette_edge.model.uncontracted import ModelOverrides


class Commands(click.Group):
    """Commands that tell of a package which cannot be imported in one line, as of any mistake."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that is asked for."""
        try:
            return super().invoke(ctx)
        except ImportError as error:
            raise click.ClickException(
                f"a package cannot be imported ({error}). 'vedette check' tells what mends it"
            ) from error


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
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
@no_self_test_option
@model_options
def predict(
    model: Path,
    images: tuple[str, ...],
    as_json: bool,
    as_csv: bool,
    top_k: int,
    threads: int | None,
    no_self_test: bool,
    overrides: "ModelOverrides",
) -> None:
    """Classify pictures: files, folders and patterns.

    \b
    Examples:
      vedette predict model.tflite photo.jpg
      vedette predict model.tflite photos/ --top-k 3
      vedette predict model.tflite 'photos/**/*.png' --json > labels.jsonl
      vedette predict foreign.tflite photo.jpg --labels labels.txt --mean 127.5 --std 127.5
    """
    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other")
    from vedette_edge.cli import predict
    from vedette_edge.model.classifier import Classifier

    left_out: list[str] = []
    with cli_session() as terminal:
        paths = discovery.expand_paths(images)
        classifier = Classifier(model, threads=threads, overrides=overrides)
        run_self_test(classifier, terminal, skip=no_self_test)
        report = _reporter(terminal, left_out)
        predictions = predict.predict(classifier, paths, top_k, report)
        if as_json:
            _print_each(map(predict.as_json, predictions), terminal)
        elif as_csv:
            _print_each(predict.as_csv(predictions, classifier.contract.labels, top_k), terminal)
        else:
            with terminal.show_progress("classifying", len(paths)) as advance:
                table = predict.as_table(predictions, advance)
            terminal.out.print(table, soft_wrap=False)
        if left_out:
            count = f"{len(left_out)} of {len(paths)} pictures left out"
            terminal.err.print(count, style="yellow")
    raise click.exceptions.Exit(UNREADABLE if left_out else 0)


@main.command()
@model_argument
@json_option
@model_options
def inspect(model: Path, as_json: bool, overrides: "ModelOverrides") -> None:
    """Show what a model file carries: contract, labels, tensors, sizes.

    \b
    Examples:
      vedette inspect model.tflite
      vedette inspect model.tflite --json | jq .contract.labels
    """
    from vedette_edge.model import description
    from vedette_edge.model.classifier import Classifier

    with cli_session() as terminal:
        found = description.describe_model(Classifier(model, overrides=overrides))
        if as_json:
            terminal.out.print(json.dumps(found, indent=2, ensure_ascii=False))
        else:
            terminal.out.print(description.as_text(found))


main.add_command(run_command)
main.add_command(check_command)
main.add_command(bench_command)
main.add_command(log_command)


def _reporter(terminal: Output, left_out: list[str]) -> Callable[[str], None]:
    """Says what was left out, and notes it for the exit code."""

    def report(line: str) -> None:
        left_out.append(line)
        terminal.err.print(line, style="yellow")

    return report


def _print_each(lines: Iterable[str], terminal: Output) -> None:
    for line in lines:
        terminal.print_line(line)


if __name__ == "__main__":
    main()
