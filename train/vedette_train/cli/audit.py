"""The command line of `vedette-train audit`."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from vedette_edge.click_types import usage_errors
from vedette_edge.console import Output, cli_session, escape_unprintable
from vedette_edge.files import write_text
from vedette_edge.images.large_blocks import keep_large_blocks
from vedette_train.cli.options import FOLDER, PATH, option, resize_mode_option
from vedette_train.config import TrainConfig
from vedette_train.data import quarantine
from vedette_train.data.audit import FINDING_KINDS, Audit, serialize_audit, sort_by_kind
from vedette_train.data.discovery import scan_dataset
from vedette_train.data.layout import TRAIN, VALIDATION, check_outside, is_within
from vedette_train.data.training_data import draft_contract, load_training_data, survey_dataset
from vedette_train.data.workplace import Workplace
from vedette_train.models.pretrained_weights import check_weights

STORE = Path("runs/.store")  # that fit uses for a run in runs/
MOST_DOUBTFUL = 20  # likely label errors that the terminal shows
EXAMPLES = """\b
Examples:
  vedette-train audit photos
  vedette-train audit photos --out audit.json
  vedette-train audit photos --label-errors
  vedette-train audit photos --quarantine set-aside
  vedette-train audit photos --quarantine set-aside --apply
"""


@click.command(epilog=EXAMPLES)
@click.argument("data", type=FOLDER)
@click.option("--out", type=PATH, help="File to write all findings to, as JSON.")
@option("--size", click.IntRange(16, 1024), 150, "Height and width of the model's input, px.")
@resize_mode_option
@click.option(
    "--store",
    type=PATH,
    help="Cache of prepared pictures, for fit. [default: runs/.store if there is runs/, or none]",
)
@click.option(
    "--label-errors",
    is_flag=True,
    help="Also look for pictures in the wrong class: takes as long as training.",
)
@click.option(
    "--quarantine", "aside", type=PATH, help="Folder for a list of files that are better removed."
)
@click.option("--apply", is_flag=True, help="Move these files to the quarantine folder.")
@click.option("--json", "as_json", is_flag=True, help="Print all findings as JSON.")
def audit(
    data: Path,
    out: Path | None,
    size: int,
    resize_mode: str,
    store: Path | None,
    label_errors: bool,
    aside: Path | None,
    apply: bool,
    as_json: bool,
) -> None:
    """Check photographs before training: damaged, duplicate, odd or too few.

    The exit code is 0 whatever the findings. Nothing is moved without --apply.
    """
    if apply and not aside:
        raise click.UsageError("--apply moves files; say where with --quarantine FOLDER")
    with usage_errors():
        check_outside(data, *filter(None, (out, store, aside)))
    config = TrainConfig(size=size, resize_mode=resize_mode, test=0.0)
    find_all = _audit_with_labels if label_errors else _audit_files
    with cli_session() as terminal, _open_store(store, data) as folder:
        keep_large_blocks()
        result = find_all(data, config, folder, terminal)
        if out:
            write_text(out, serialize_audit(result) + "\n", errors="backslashreplace")
        _print_audit(result, data, out, terminal, as_json=as_json)
        if aside:
            _write_quarantine(result, data, aside, terminal.err, apply=apply)


@contextmanager
def _open_store(store: Path | None, data: Path) -> Iterator[Path]:
    """The cache that the user names, or that of the runs here, or else one that is removed."""
    if not store and STORE.parent.is_dir() and not is_within(STORE, data):
        store = STORE
    if store:
        yield store
        return
    with TemporaryDirectory(prefix="vedette-") as folder:
        yield Path(folder)


def _audit_files(folder: Path, config: TrainConfig, store: Path, terminal: Output) -> Audit:
    dataset = scan_dataset(folder)
    contract = draft_contract(dataset.labels, config.size, config.resize_mode)
    return survey_dataset(dataset, contract, Workplace(terminal, store)).audit


def _audit_with_labels(folder: Path, config: TrainConfig, store: Path, terminal: Output) -> Audit:
    """Audit the files, then add likely label errors from a head fitted out of fold."""
    check_weights(config.architecture)
    place = Workplace(terminal, store)
    data = load_training_data(folder, config, place, {})
    terminal.err.print("starting TensorFlow ...")
    # Both import TensorFlow, which takes seconds; a plain audit does without it.
    closed_form = import_module("vedette_train.training.closed_form")
    label_errors = import_module("vedette_train.evaluation.label_errors")
    fitted = closed_form.fit_closed_form(data, config, place).fitted
    files = [photograph.file for photograph in data.list_photographs(TRAIN, VALIDATION)]
    errors = label_errors.find_label_errors(fitted.out_of_fold, files)
    findings = (*data.audit.findings, *(error.finding() for error in errors))
    return replace(data.audit, findings=sort_by_kind(findings))


def build_audit_table(audit: Audit) -> Table:
    """A row for each kind of finding: number of findings, title, an example, and advice."""
    rows = Table("", "found", "for example", "what to do", box=None, pad_edge=False)
    rows.columns[0].justify = "right"
    for kind, count in audit.count_kinds().items():
        first = next(finding for finding in audit.findings if finding.kind == kind)
        example = escape_unprintable(" ".join(first.files[:2]) or first.detail)
        text = Text(example, overflow="fold")
        rows.add_row(str(count), FINDING_KINDS[kind].title, text, FINDING_KINDS[kind].advice)
    return rows


def _print_audit(
    audit: Audit, data: Path, out: Path | None, output: Output, *, as_json: bool
) -> None:
    if as_json:
        output.print_line(serialize_audit(audit))
        return
    terminal = output.out
    images = sum(audit.pictures.values())
    terminal.print(f"{data}: {len(audit.pictures)} classes, {images} pictures")
    if not audit.findings:
        terminal.print("No problems found.")
        return
    terminal.print(build_audit_table(audit))
    doubtful = [finding for finding in audit.findings if finding.kind == "label"]
    for finding in doubtful[:MOST_DOUBTFUL]:
        file = escape_unprintable(finding.files[0])
        terminal.print(f"{file}: {finding.detail}", markup=False)
    terminal.print(f"All findings: {out or 'add --out audit.json'}")


def _write_quarantine(
    audit: Audit, data: Path, folder: Path, terminal: Console, *, apply: bool
) -> None:
    suspects = quarantine.find_suspects(audit, folder)
    path = quarantine.write_list(suspects, folder)
    if not apply:
        terminal.print(f"{len(suspects)} files listed in {path}; --apply moves them")
        return
    moved = quarantine.move_files(suspects, data, folder)
    listed = sum(suspect.listed_only for suspect in suspects)
    more = f" and also lists {listed} likely label errors, which stay" * bool(listed)
    terminal.print(f"{moved} files moved to {folder}; {path} gives the reasons{more}")
