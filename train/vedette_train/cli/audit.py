"""The command line of `vedette-train audit`."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from vedette_edge.console import Output, cli_session
from vedette_edge.files import write_text
from vedette_edge.model.contract import RESIZE_MODES
from vedette_train.cli.options import FOLDER, PATH, option
from vedette_train.config import DEFAULT_ARCHITECTURE, fill_defaults
from vedette_train.models.pretrained_weights import check_weights

MOST_DOUBTFUL = 20  # likely label errors that the terminal shows

if TYPE_CHECKING:
    from vedette_train.data.audit import Audit


@click.command()
@click.argument("data", type=FOLDER)
@option("--out", PATH, Path("audit.json"), "File to write all findings to.")
@option("--size", click.IntRange(16, 1024), 150, "Height and width of the model's input, px.")
@option(
    "--resize-mode",
    click.Choice(RESIZE_MODES),
    "squash",
    "How an image gets the shape of the input.",
)
@option("--store", PATH, Path("runs/.store"), "For prepared pictures; fit takes them from there.")
@click.option(
    "--label-errors",
    is_flag=True,
    help="Look for pictures in the wrong class, too: takes as long as training.",
)
@click.option("--quarantine", type=PATH, help="Folder for a list of files better taken out.")
@click.option("--apply", is_flag=True, help="Move these files to the quarantine.")
@click.option("--json", "as_json", is_flag=True, help="Print all findings.")
def audit(
    data: Path,
    out: Path,
    size: int,
    resize_mode: str,
    store: Path,
    label_errors: bool,
    quarantine: Path | None,
    apply: bool,
    as_json: bool,
) -> None:
    """Look at photographs before training: what is damaged, doubled, odd or too few.

    The exit code is 0 whatever is found. Nothing is moved without --apply.

    \b
    Examples:
      vedette-train audit photos
      vedette-train audit photos --label-errors
      vedette-train audit photos --quarantine set-aside
      vedette-train audit photos --quarantine set-aside --apply
    """
    if apply and not quarantine:
        raise click.UsageError("--apply moves files; say where with --quarantine FOLDER")
    for path in filter(None, (out, store, quarantine)):
        if data.resolve() in path.resolve().parents:
            raise click.UsageError(f"{path} lies within {data}; choose a place outside of it")
    with cli_session() as terminal:
        survey = _with_label_errors if label_errors else _survey
        found = survey(data, size, resize_mode, store, terminal)
        _show(found, data, out, terminal, as_json=as_json)
        if quarantine:
            _quarantine(found, data, quarantine, terminal.err, apply=apply)


def _survey(data: Path, size: int, resize_mode: str, store: Path, terminal: Output) -> "Audit":
    from vedette_train.data import discovery
    from vedette_train.data.survey import survey_dataset
    from vedette_train.data.training_data import draft_contract

    found = discovery.scan_dataset(data)
    return survey_dataset(
        found, draft_contract(found.labels, size, resize_mode), store, terminal
    ).audit


def _with_label_errors(
    data: Path, size: int, resize_mode: str, store: Path, terminal: Output
) -> "Audit":
    """The audit, with what a head that never saw a picture says against its label."""
    check_weights(DEFAULT_ARCHITECTURE)
    from vedette_train.data.training_data import load_training_data

    chosen = {"data": data, "size": size, "resize_mode": resize_mode, "test": 0.0}
    settings = fill_defaults({"architecture": DEFAULT_ARCHITECTURE, **chosen})
    material = load_training_data(settings, store, terminal, {})
    terminal.err.print("starting TensorFlow ...")
    from vedette_train.evaluation.label_errors import find_label_errors
    from vedette_train.training.closed_form import fit_closed_form

    fitted = fit_closed_form(material, settings, terminal).fitted
    errors = find_label_errors(fitted.out_of_fold, material.part_files("train", "validation"))
    more = tuple(one.finding() for one in errors)
    return replace(material.audit, findings=material.audit.findings + more)


def _show(found: "Audit", data: Path, out: Path, terminal: Output, *, as_json: bool) -> None:
    from vedette_train.data.audit import serialize_audit

    write_text(out, serialize_audit(found) + "\n")
    if as_json:
        terminal.print_line(serialize_audit(found))
    else:
        _print(found, data, out, terminal.out)


def _print(found: "Audit", data: Path, out: Path, terminal: Console) -> None:
    from vedette_train.cli.audit_table import shown, table

    pictures = sum(found.pictures.values())
    terminal.print(f"{data}: {len(found.pictures)} classes, {pictures} pictures")
    if found.findings:
        terminal.print(table(found))
        doubtful = [finding for finding in found.findings if finding.kind == "label"]
        for finding in doubtful[:MOST_DOUBTFUL]:
            terminal.print(f"{shown(finding.files[0])}: {finding.detail}", markup=False)
        terminal.print(f"All of them: {out}")
    else:
        terminal.print("Nothing found that needs a look.")


def _quarantine(
    found: "Audit", data: Path, folder: Path, terminal: Console, *, apply: bool
) -> None:
    from vedette_train.data import quarantine

    suspects = quarantine.find_suspects(found, folder)
    written = quarantine.write_list(suspects, folder)
    if apply:
        moved = quarantine.move_files(suspects, data, folder)
        listed = sum(one.listed_only for one in suspects)
        more = f", and names {listed} likely label errors, which stay" * bool(listed)
        terminal.print(f"{moved} files moved to {folder}; {written} says why{more}")
    else:
        terminal.print(f"{len(suspects)} files in {written}; nothing moved, --apply moves them")
