"""Conversion's command line: `vedette-convert RUN --out model.tflite`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from vedette_convert import gate
from vedette_convert.run_folder import TEST, read_run
from vedette_edge.command_line import session

if TYPE_CHECKING:
    from vedette_convert.convert import Judgement

REFUSED = 3  # exit code: the gate did not let the int8 model pass
FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


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
    "--calibration",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    help="Pictures of the training part that set the int8 ranges.",
)
@click.option("--json", "as_json", is_flag=True, help="JSON, for machines.")
def main(run: Path, out: Path | None, data: Path | None, calibration: int, as_json: bool) -> None:
    """Turn a run folder into one int8 .tflite file that carries its contract.

    The file is judged on the whole test part before it takes its place: a model that lost more
    than 1 point of accuracy, or agrees too little with the float model, is not written.
    Exit codes: 0 all well, 1 nothing could be done, 2 wrong command line, 3 refused by the
    gate, 130 interrupted.

    \b
    Examples:
      vedette-convert runs/hens
      vedette-convert runs/hens --out hens.tflite --data /media/photos
    """
    out = out or run / "model.tflite"
    with session(out.with_suffix(".log")) as terminal:
        found = read_run(run, data)
        terminal.err.print("starting TensorFlow ...")
        from vedette_convert.convert import convert
        from vedette_convert.quantize import load

        model = load(found.weights)
        with terminal.progress("quantizing and judging", len(found.part(TEST))) as advance:
            judgement = convert(model, found, out, calibration, advance)
        _print(judgement, found.contract.labels, out, terminal.out, as_json)
        for objection in judgement.verdict.objections:
            terminal.err.print(f"refused: {objection}", style="red")
        if judgement.verdict.objections:
            terminal.err.print(
                f"{out} was not written; {out.with_suffix('.refused.csv')} has every answer. What "
                "helps: more pictures to test by, longer training, another --calibration"
            )
            raise click.exceptions.Exit(REFUSED)


def _print(
    judgement: "Judgement", labels: tuple[str, ...], out: Path, terminal: Console, as_json: bool
) -> None:
    verdict, classes = judgement.verdict, gate.per_class(judgement.answers, labels)
    if as_json:
        per_class = {label: asdict(one) for label, one in classes.items()}
        for shares in per_class.values():
            del shares["objections"]  # a class alone is not refused
        found = {"file": str(out), **asdict(verdict), "per_class": per_class}
        terminal.print(json.dumps(found, indent=2, ensure_ascii=False))
        return
    table = Table("label", "pictures", "float", "int8", "agree", box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for label, one in [*classes.items(), ("all", verdict)]:
        shown = (one.float_accuracy, one.int8_accuracy, one.agreement)
        style = "bold" if one is verdict else None
        table.add_row(label, str(one.pictures), *(f"{share:.1%}" for share in shown), style=style)
    terminal.print(table, soft_wrap=False)
    terminal.print(
        f"{verdict.sure_agreement:.1%} agree on the {verdict.sure_pictures} pictures of which "
        f"float is at least {gate.SURE:.0%} sure"
    )
    if verdict.pictures < gate.FEWEST_JUDGED:
        terminal.print(
            f"{verdict.pictures} test pictures are too few to judge agreement by; "
            f"from {gate.FEWEST_JUDGED} on it counts"
        )
    if not verdict.objections:
        terminal.print(f"{out}: {out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
