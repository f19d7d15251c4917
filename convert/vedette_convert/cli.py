"""The command line: `vedette-convert RUN --out model.tflite`, or MODEL with --labels."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vedette_convert.quantization.fallbacks import ALLOWABLE
from vedette_convert.quantization.scheme import NEW, OLD, QUANTIZATIONS, RUNTIMES, Scheme
from vedette_convert.sources.run_folder import FILES, load_run
from vedette_convert.timing import StageTimer
from vedette_edge.console import Output, cli_session
from vedette_edge.model.contract import NORMALISATIONS, RESIZE_MODES

if TYPE_CHECKING:
    from vedette_convert.run import Model, Run

SAVED_MODEL = "saved_model.pb"  # in each SavedModel's folder
REFUSED = 3  # exit code: the gate let no graph pass
FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)
FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
FOREIGN = {
    ".tflite": "is converted already, and cannot be quantized again; give the Keras model",
    ".onnx": "is an ONNX model; give the Keras model that it came from",
    ".pt": "is a PyTorch model, which is not read; export it to Keras or a SavedModel",
    ".pth": "is a PyTorch model, which is not read; export it to Keras or a SavedModel",
    ".pb": "is a part of a SavedModel or a frozen graph; give the SavedModel's folder",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """The options, as they were given."""

    data: Path | None
    quantization: str
    runtime: str
    calibration: int
    allowed: list[str]
    labels: Path | None
    normalise: str | None
    calibrate: Path | None
    resize_mode: str | None


def _names(context: click.Context, option: click.Parameter, given: tuple[str, ...]) -> list[str]:
    names = [name.strip() for text in given for name in text.split(",")]
    for name in names:
        if name not in ALLOWABLE:
            raise click.BadParameter(f"{name!r} is none of {', '.join(ALLOWABLE)}")
    return names


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="vedette-convert")
@click.argument("source", metavar="RUN|MODEL", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Model file to write. [default: RUN/model.tflite, or MODEL.tflite]",
)
@click.option("--data", type=FOLDER, help="Where the photographs are now, if they have moved.")
@click.option(
    "--quantization",
    type=click.Choice(QUANTIZATIONS),
    default="int8",
    show_default=True,
    help="What weights and activations become. All but int8 take and give float32.",
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
    help="Pictures of the training part that set the integers' ranges.",
)
@click.option(
    "--allow",
    "allowed",
    multiple=True,
    metavar="NAME",
    callback=_names,
    help=f"What may be tried if the gate objects: {', '.join(ALLOWABLE)}. Repeat, or use commas.",
)
@click.option("--labels", type=FILE, help="MODEL's labels, one a line, in the outputs' order.")
@click.option(
    "--normalise",
    type=click.Choice(list(NORMALISATIONS)),
    help="What MODEL's pictures were given as at training, if it does not begin with that.",
)
@click.option("--calibrate", type=FOLDER, metavar="PHOTOS", help="Photographs for MODEL.")
@click.option(
    "--resize-mode",
    type=click.Choice(RESIZE_MODES),
    help="How training made their shape MODEL's. [default: squash]",
)
@click.option("--json", "as_json", is_flag=True, help="JSON, for machines.")
def main(source: Path, out: Path | None, as_json: bool, **options: Any) -> None:
    """Turn a run folder into one quantized .tflite file that carries its contract.

    A MODEL that was trained elsewhere (.keras, .h5, SavedModel) needs --labels and --calibrate,
    a folder of photographs: in folders called like the labels, if its accuracy is to be judged.

    A head in closed form, as vedette-train fits by default, is fitted once more, to what the
    8-bit network makes of the photographs that it was trained on. Other heads stay as they are.

    The file is judged on the whole test part before it takes its place: a model that lost more
    than 1 point of accuracy, and more than chance explains, or that agrees too little with the
    float model, is not written. Before it is refused, better calibration is tried, and then what
    --allow names.
    Exit codes: 0 all well, 1 nothing could be done, 2 wrong command line, 3 refused by the
    gate, 130 interrupted.

    \b
    Examples:
      vedette-convert runs/hens
      vedette-convert runs/hens --out hens.tflite --data /media/photos
      vedette-convert runs/hens --allow dynamic,int16x8
      vedette-convert mine.keras --labels labels.txt --normalise unit --calibrate photos
    """
    asked = Asked(**options)
    elsewhere = source.is_file() or (source / SAVED_MODEL).exists()
    _check_usage(source, asked, elsewhere)
    out = out or (_beside(source) if elsewhere else source / "model.tflite")
    _check_out(out, source)
    with cli_session(out.with_suffix(".log")) as terminal:
        _convert(source, asked, out, terminal, as_json=as_json)


def _check_usage(source: Path, asked: Asked, elsewhere: bool) -> None:
    if reason := FOREIGN.get(source.suffix.lower()):
        raise click.UsageError(f"{source}: {reason}")
    if elsewhere and not (asked.labels and asked.calibrate):
        raise click.UsageError(
            f"{source} is no run of vedette-train: --labels and --calibrate must say what its "
            "outputs are and where there are photographs"
        )
    if not elsewhere and (asked.labels or asked.normalise or asked.calibrate or asked.resize_mode):
        raise click.UsageError(
            "--labels, --normalise, --calibrate and --resize-mode "
            "are for models from elsewhere; a run says all that itself"
        )
    if elsewhere and asked.data:
        raise click.UsageError("--data is for runs; say --calibrate")
    if "per-channel" in asked.allowed and asked.runtime != NEW:
        raise click.UsageError(
            f"--allow per-channel needs --runtime {NEW}: tflite-runtime 2.14 crashes on Arm "
            "where Dense layers are quantized per channel"
        )


def _beside(source: Path) -> Path:
    """Where a model's file goes by default: beside the model, under its name."""
    named = source if source.name not in ("", "..") else source.resolve()
    if not named.name:
        raise click.UsageError(f"{source} has no name to call the model file by: say --out")
    return named.with_name(f"{named.stem if named.is_file() else named.name}.tflite")


def _check_out(out: Path, source: Path) -> None:
    """What the model is made of shall not be written over, by the file or by its log."""
    if out.suffix.lower() != ".tflite":
        raise click.UsageError(f"--out {out}: expected a name that ends in .tflite")
    inside = source.rglob("*") if (source / SAVED_MODEL).exists() else map(source.joinpath, FILES)
    made_of = [one for one in ((source,) if source.is_file() else inside) if one.is_file()]
    for path in (out, out.with_suffix(".log")):
        for one in made_of:
            if path.exists() and path.samefile(one):
                raise click.UsageError(
                    f"--out {out}: would write over {one}, which belongs to what is converted. "
                    "Choose another name"
                )


def _convert(source: Path, asked: Asked, out: Path, terminal: Output, *, as_json: bool) -> None:
    """Read, convert, and show what came of it."""
    clock = StageTimer()
    model, found = _read(source, asked, terminal)
    from vedette_convert.pipeline import ConvertConfig, convert
    from vedette_convert.report import console, html

    scheme = Scheme(asked.quantization)
    wish = ConvertConfig(scheme, asked.runtime, asked.calibration, tuple(asked.allowed))
    judgement = convert(model, found, out, wish, terminal.show_progress, clock)
    with clock.stage("report"):
        page = html.write(judgement, found, wish, out)
    if as_json:
        terminal.out.print(console.as_json(judgement, found.contract.labels, out))
    else:
        console.show(judgement, found.contract.labels, terminal.out)
    console.show_stages(judgement, clock, page, terminal.err)
    if judgement.attempt.objections:
        console.show_refusal(judgement, wish, out, terminal.err)
        raise click.exceptions.Exit(REFUSED)
    if not as_json:
        terminal.out.print(f"{out}: {out.stat().st_size / 1e6:.2f} MB")


def _read(source: Path, asked: Asked, terminal: Output) -> tuple["Model", "Run"]:
    if not (asked.labels and asked.calibrate):
        found = load_run(source, asked.data)  # before TensorFlow takes its time
        terminal.err.print("starting TensorFlow ...")
        from vedette_convert.sources.keras_loader import load_keras_model

        return load_keras_model(found.weights), found
    terminal.err.print("starting TensorFlow ...")
    from vedette_convert.sources.external_model import ExternalModelSpec, load_external_model

    if not asked.resize_mode:
        terminal.err.print(f"assumed: resize mode {RESIZE_MODES[0]} (--resize-mode)")
    told = ExternalModelSpec(
        asked.labels, asked.calibrate, asked.normalise, asked.resize_mode or RESIZE_MODES[0]
    )
    return load_external_model(source, told, terminal.err.print)
