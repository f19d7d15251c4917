"""The command line: `vedette-convert RUN --out model.tflite`, or MODEL with --labels."""

from importlib import import_module
from pathlib import Path

import click

from vedette_convert.pipeline.convert import (
    check_arguments,
    is_external,
    load_source,
    run_conversion,
)
from vedette_convert.quantization.scheme import (
    ALLOWABLE,
    OLD,
    QUANTIZATIONS,
    RUNTIMES,
    ConvertConfig,
)
from vedette_convert.run import ExternalModel, Source
from vedette_edge.click_types import AnyFolder, usage_errors
from vedette_edge.console import Output, cli_session
from vedette_edge.model.contract import NORMALISATIONS, RESIZE_MODES

REFUSED = 3  # exit code: the gate let no graph pass


FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)
FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
HELP = """Turn a run folder into one quantized .tflite file that carries its contract.

An external MODEL (.keras, .h5, SavedModel) needs --labels and --calibrate, a folder of
photographs. To judge its accuracy, put them in folders named after the labels.

A head in closed form, the default of vedette-train fit, is fitted again to the 8-bit
network's features of its training photographs. Other heads stay as they are.

The file is judged on the whole test part before it is written: a model that lost more than
1 point of accuracy, beyond chance, or that agrees too little with the float model, is
refused. Before that, better calibration is tried, then the fallbacks that --allow names.

Exit codes: 0 success, 1 error, 2 wrong command line, 3 refused by the gate, 130 interrupted.

\b
Examples:
  vedette-convert runs/hens
  vedette-convert runs/hens --out hens.tflite --data /media/photos
  vedette-convert runs/hens --allow dynamic,int16x8
  vedette-convert mine.keras --labels labels.txt --normalise unit --calibrate photos
"""


def _split_names(
    context: click.Context, option: click.Parameter, values: tuple[str, ...]
) -> tuple[str, ...]:
    return tuple(name.strip() for text in values for name in text.split(","))


@click.command(help=HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="vedette-convert")
@click.argument("source", metavar="RUN|MODEL", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Model file to write. [default: RUN/model.tflite, or MODEL.tflite]",
)
@click.option(
    "--data", type=AnyFolder(), help="Folder of the photographs, or its URL, if they have moved."
)
@click.option(
    "--quantization",
    type=click.Choice(QUANTIZATIONS),
    default="int8",
    show_default=True,
    help="Number format of weights and activations. All but int8 take and give float32.",
)
@click.option(
    "--runtime",
    type=click.Choice(RUNTIMES),
    default=OLD,
    show_default=True,
    help="The oldest runtime that must be able to run the file.",
)
@click.option(
    "--calibration",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    help="Number of training pictures that set the integers' ranges.",
)
@click.option(
    "--allow",
    multiple=True,
    metavar="NAME",
    callback=_split_names,
    help=f"Fallbacks if the gate refuses: {', '.join(ALLOWABLE)}. Repeat, or use commas.",
)
@click.option("--labels", type=FILE, help="MODEL's labels, one a line, in the outputs' order.")
@click.option(
    "--normalise",
    type=click.Choice(list(NORMALISATIONS)),
    help="Normalisation of MODEL's training pictures, if MODEL does not begin with it.",
)
@click.option("--calibrate", type=FOLDER, metavar="PHOTOS", help="Photographs for MODEL.")
@click.option(
    "--resize-mode",
    type=click.Choice(RESIZE_MODES),
    help="How MODEL's training changed the shape of pictures. [default: squash]",
)
@click.option("--json", "as_json", is_flag=True, help="JSON, for machines.")
def main(
    source: Path,
    out: Path | None,
    data: str | Path | None,
    quantization: str,
    runtime: str,
    calibration: int,
    allow: tuple[str, ...],
    labels: Path | None,
    normalise: str | None,
    calibrate: Path | None,
    resize_mode: str | None,
    as_json: bool,
) -> None:
    """Check the command line, convert, and exit with a code."""
    with cli_session():
        with usage_errors():
            config = ConvertConfig(quantization, runtime, calibration, allow)
            model = _describe(source, labels, calibrate, normalise, resize_mode)
            file = check_arguments(model, out, data)
        loaded = load_source(model, data)
    with cli_session(file.with_suffix(".log")) as output:
        _convert(loaded, file, config, output, as_json=as_json)


def _describe(
    source: Path,
    labels: Path | None,
    calibrate: Path | None,
    normalise: str | None,
    resize_mode: str | None,
) -> Path | ExternalModel:
    """Describe an external model by its options; a run has none."""
    external = is_external(source)
    if external and labels and calibrate:
        return ExternalModel(source, labels, calibrate, normalise, resize_mode)
    if not external and any((labels, calibrate, normalise, resize_mode)):
        raise click.UsageError(
            "--labels, --normalise, --calibrate and --resize-mode are for external models; "
            "a run has its own"
        )
    return source


def _convert(
    source: Source, out: Path, config: ConvertConfig, output: Output, *, as_json: bool
) -> None:
    result = run_conversion(source, out, config, output)
    # Imported here, because it imports TensorFlow.
    console = import_module("vedette_convert.report.console")
    if as_json:
        output.print_line(console.render_json(result))
    else:
        console.show_result(result, output.out)
    console.show_stages(result, output.err)
    if not result.passed:
        console.show_refusal(result, config, output.err)
        raise click.exceptions.Exit(REFUSED)
    if not as_json:
        console.show_files(result, output.out)
