"""`vedette check`: find what is wrong, and how to fix it.

This command must start where numpy or OpenCV fails to import, and say so. Whatever needs them is
therefore imported late, after the check of the packages.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TypedDict, Unpack

import click

from vedette_edge.capture.region import parse_region
from vedette_edge.cli.camera_options import (
    camera_config,
    camera_options,
    mounting_of,
    region_option,
)
from vedette_edge.cli.config_file import load_settings
from vedette_edge.cli.log_options import log_options
from vedette_edge.cli.options import json_option, model_options, threads_option
from vedette_edge.console import Output, cli_session
from vedette_edge.doctor import FAULT, WARNING, Finding, ModelReport, render_findings
from vedette_edge.doctor.disk import check_disk
from vedette_edge.doctor.machine import check_machine, is_service_running
from vedette_edge.doctor.packages import IMPORT_ERRORS, check_packages, is_broken
from vedette_edge.errors import SelfTestError, SettingError
from vedette_edge.log.rotation import LogLimits
from vedette_edge.model.overrides import ModelOverrides

EXAMPLES = """\b
Examples:
  vedette check model.tflite
  vedette check --config /etc/vedette/config.toml
  vedette check model.tflite --camera picamera2 --log /var/log/vedette/watch.jsonl
  vedette check --write-chart chart.png
  vedette check --camera picamera2 --test-chart
  vedette check model.tflite --json
"""
_file = click.Path(path_type=Path)


class CheckFlags(TypedDict):
    """The flags that say what to check, besides the model."""

    config: Path | None
    camera: str | None
    size: tuple[int, int]
    rotate: str
    flip: str | None
    crop: str | None
    regions: tuple[str, ...]
    test_chart: bool
    log: Path | None
    limits: LogLimits


def _load_defaults(
    context: click.Context, option: click.Parameter, path: Path | None
) -> Path | None:
    """Take over the service's settings for all options that this command has."""
    if path:
        try:
            from vedette_edge.cli.run import run  # imports numpy, which may be broken

            settings = load_settings(path, run)
        except IMPORT_ERRORS:  # check_packages reports it
            return path
        except SettingError as error:
            raise click.ClickException(str(error)) from error
        known = {parameter.name for parameter in context.command.params}
        context.default_map = {name: value for name, value in settings.items() if name in known}
    return path


@click.command(epilog=EXAMPLES)
@click.argument("model", type=_file, required=False)
@click.option(
    "--config",
    type=click.Path(path_type=Path, readable=False),  # load_settings has the better message
    is_eager=True,
    callback=_load_defaults,
    help="TOML file of the service.",
)
@click.option("--camera", metavar="SOURCE", help="Check this camera; SOURCE as for vedette run.")
@camera_options
@region_option
@click.option("--test-chart", is_flag=True, help="The camera sees the chart: check orientation.")
@click.option("--write-chart", type=_file, help="Write the chart to a file, to print or show it.")
@click.option("--log", type=_file, help="Check the disk that holds this log.")
@log_options
@json_option
@threads_option
@model_options
def check(
    model: Path | None,
    write_chart: Path | None,
    as_json: bool,
    threads: int | None,
    overrides: ModelOverrides,
    **flags: Unpack[CheckFlags],
) -> None:
    """Find what is wrong with model, packages, camera, disk, clock or power, and how to fix it.

    It replays the samples in the model on this machine. The input must match byte for byte, and
    the label exactly; scores may differ by two output steps. Exit code 1 reports a fault.
    """
    if flags["test_chart"] and not flags["camera"]:
        raise click.UsageError("--test-chart needs --camera SOURCE, or a --config that names one")
    with cli_session() as terminal:
        if write_chart:
            _write_chart(write_chart, terminal)
            return
        packages, report = list(check_packages(flags["camera"] or "")), ModelReport()
        if model and not is_broken(packages):
            from vedette_edge.doctor.model import check_model  # imports numpy

            report = check_model(model, threads, overrides)
        findings = [] if is_broken(packages) else list(_check_settings(model, flags))
        findings += [*report.findings, *packages, *_check_around(flags, is_broken(packages))]
        _print_report(terminal, report, findings, as_json=as_json)


def _write_chart(path: Path, terminal: Output) -> None:
    from vedette_edge.doctor.test_chart import write_chart  # imports numpy

    write_chart(path)
    terminal.err.print(f"{path}: print it or show it so that it fills the picture")


def _check_settings(model: Path | None, flags: CheckFlags) -> Iterator[Finding]:
    """Report what the service needs and its settings do not name."""
    for name, value in (("model", model), ("camera", flags["camera"])):
        if flags["config"] and value is None:
            yield Finding(name, FAULT, f"{flags['config']} names none, so the watch cannot start")


def _check_around(flags: CheckFlags, broken: bool) -> Iterator[Finding]:
    """Check machine and disk, and the camera unless packages are broken."""
    yield from check_machine(flags["camera"] or "")
    if flags["log"]:
        yield from check_disk(flags["log"], flags["limits"])
    if flags["camera"] and not broken:
        yield from _check_camera(flags)


def _check_camera(flags: CheckFlags) -> Iterator[Finding]:
    if is_service_running():
        detail = "in use by the service, which logs its state"
        yield Finding("camera", WARNING, detail, "sudo systemctl stop vedette  # then check again")
        return
    from vedette_edge.doctor.camera import check_camera  # imports numpy

    regions = tuple(map(parse_region, flags["regions"]))
    config, mounting = camera_config(flags), mounting_of(flags)
    yield from check_camera(config, mounting, regions, with_chart=flags["test_chart"])


def _print_report(
    terminal: Output, report: ModelReport, findings: Sequence[Finding], *, as_json: bool
) -> None:
    """Print all findings. Raises SelfTestError if one is a fault."""
    faults = [finding for finding in findings if finding.level == FAULT]
    if as_json:
        data = {"ok": not faults, **report.data, "findings": [asdict(one) for one in findings]}
        terminal.out.print(json.dumps(data, indent=2, ensure_ascii=False))
    else:
        if report.table:
            terminal.out.print(report.table, soft_wrap=False)
        terminal.out.print(render_findings(findings))
    if faults:
        count = f"{len(faults)} fault{'s' * (len(faults) > 1)} found"
        raise SelfTestError(f"{count}. {faults[0].subject}: {faults[0].detail}")
