"""Conversion's command line: `vedette-convert RUN --out model.tflite`."""

from pathlib import Path

import click

from vedette_convert.clock import Clock
from vedette_convert.remedies import ALLOWABLE
from vedette_convert.run_folder import read_run
from vedette_convert.scheme import NEW, OLD, QUANTIZATIONS, RUNTIMES, Scheme
from vedette_edge.command_line import session

REFUSED = 3  # exit code: the gate let no graph pass
FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


def _names(context: click.Context, option: click.Parameter, given: tuple[str, ...]) -> list[str]:
    names = [name.strip() for text in given for name in text.split(",")]
    for name in names:
        if name not in ALLOWABLE:
            raise click.BadParameter(f"{name!r} is none of {', '.join(ALLOWABLE)}")
    return names


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="vedette-convert")
@click.argument("run", type=FOLDER)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Model file to write. [default: RUN/model.tflite]",
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
@click.option("--json", "as_json", is_flag=True, help="JSON, for machines.")
def main(
    run: Path,
    out: Path | None,
    data: Path | None,
    quantization: str,
    runtime: str,
    calibration: int,
    allowed: list[str],
    as_json: bool,
) -> None:
    """Turn a run folder into one quantized .tflite file that carries its contract.

    The file is judged on the whole test part before it takes its place: a model that lost more
    than 1 point of accuracy, or agrees too little with the float model, is not written. Before
    it is refused, better calibration is tried, and then what --allow names.
    Exit codes: 0 all well, 1 nothing could be done, 2 wrong command line, 3 refused by the
    gate, 130 interrupted.

    \b
    Examples:
      vedette-convert runs/hens
      vedette-convert runs/hens --out hens.tflite --data /media/photos
      vedette-convert runs/hens --allow dynamic,int16x8
    """
    if "per-channel" in allowed and runtime != NEW:
        raise click.UsageError(
            f"--allow per-channel needs --runtime {NEW}: tflite-runtime 2.14 crashes on Arm "
            "where Dense layers are quantized per channel"
        )
    out = out or run / "model.tflite"
    clock = Clock()
    with session(out.with_suffix(".log")) as terminal:
        found = read_run(run, data)
        terminal.err.print("starting TensorFlow ...")
        from vedette_convert import report, summary
        from vedette_convert.convert import Wish, convert
        from vedette_convert.quantize import load

        model = load(found.weights)
        wish = Wish(Scheme(quantization), runtime, calibration, tuple(allowed))
        judgement = convert(model, found, out, wish, terminal.progress, clock)
        with clock.stage("report"):
            page = report.write(judgement, found, wish, out)
        if as_json:
            terminal.out.print(summary.as_json(judgement, found.contract.labels, out))
        else:
            summary.show(judgement, found.contract.labels, terminal.out)
        summary.show_stages(judgement, clock, page, terminal.err)
        if judgement.attempt.objections:
            summary.show_refusal(judgement, wish, out, terminal.err)
            raise click.exceptions.Exit(REFUSED)
        if not as_json:
            terminal.out.print(f"{out}: {out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
