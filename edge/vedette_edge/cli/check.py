"""`vedette check`: find what is wrong, and how to fix it.

This command must start where numpy or OpenCV fails to import, and say so. Whatever needs them is
therefore imported late, after the check of the packages.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import click

from vedette_edge.capture.region import parse_region
from vedette_edge.cli.config_file import load_settings
from vedette_edge.cli.notify_options import (
    NotifySettings,
    build_notify_config,
    notify_settings_options,
)
from vedette_edge.cli.options import json_option, model_options, threads_option
from vedette_edge.cli.watch_options import (
    camera_options,
    check_contradictions,
    config_option,
    log_options,
    metrics_file_option,
    run_settings,
)
from vedette_edge.console import Output, cli_session
from vedette_edge.doctor import FAULT, WARNING, Finding, ModelReport, print_findings
from vedette_edge.doctor.disk import check_disk
from vedette_edge.doctor.machine import check_machine, is_service_running
from vedette_edge.doctor.outputs import check_metrics_file, check_outputs
from vedette_edge.doctor.packages import check_packages, is_broken
from vedette_edge.errors import SelfTestError, SettingError
from vedette_edge.log.rotation import LogLimits
from vedette_edge.model.overrides import ModelOverrides
from vedette_edge.watch.config import CameraSettings

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


@click.command(epilog=EXAMPLES)
@click.argument("model", type=_file, required=False)
@config_option
@camera_options
@click.option("--test-chart", is_flag=True, help="The camera sees the chart: check orientation.")
@click.option("--write-chart", type=_file, help="Write the chart to a file, to print or show it.")
@log_options
@metrics_file_option
@notify_settings_options
@json_option
@threads_option
@model_options
def check(
    model: Path | None,
    config: Path | None,
    camera: CameraSettings,
    test_chart: bool,
    write_chart: Path | None,
    log: Path | None,
    limits: LogLimits,
    metrics_file: Path | None,
    notify: NotifySettings,
    as_json: bool,
    threads: int | None,
    overrides: ModelOverrides,
) -> None:
    """Find what is wrong with model, packages, camera, disk, clock or power, and how to fix it.

    It replays the samples in the model on this machine. Exit code 1 reports a fault.
    """
    if test_chart and not camera.source:
        raise click.UsageError("--test-chart needs --camera SOURCE, or a --config that names one")
    with cli_session() as terminal:
        if write_chart:
            return _write_chart(write_chart, terminal)
        packages = list(check_packages(camera.source or ""))
        report = _check_model(model, packages, threads, overrides)
        findings = [*_check_settings(config, model, camera), *report.findings, *packages]
        findings += [*check_machine(camera.source or ""), *(check_disk(log, limits) if log else ())]
        findings += _check_camera(camera, packages, with_chart=test_chart)
        findings += _check_outputs(notify, report.labels, metrics_file)
        _print_report(terminal, report, findings, as_json=as_json)


def _write_chart(path: Path, terminal: Output) -> None:
    from vedette_edge.doctor.test_chart import write_chart  # imports numpy

    if path.exists():
        raise SettingError(f"{path}: exists already; choose another name, or remove it")
    write_chart(path)
    terminal.err.print(f"{path}: print it or show it so that it fills the picture")


def _check_settings(
    config: Path | None, model: Path | None, camera: CameraSettings
) -> Iterator[Finding]:
    """Report settings of the service that are missing or contradict each other."""
    for name, value in (("model", model), ("camera", camera.source)):
        if config and value is None:
            yield Finding(name, FAULT, f"{config} names none, so the watch cannot start")
    if config:
        try:
            check_contradictions(load_settings(config, run_settings))
        except SettingError as error:
            yield Finding("settings", FAULT, f"{config}: {error}")


def _check_model(
    path: Path | None, packages: Sequence[Finding], threads: int | None, overrides: ModelOverrides
) -> ModelReport:
    if not path or is_broken(packages):
        return ModelReport()
    from vedette_edge.doctor.model import check_model  # imports numpy

    return check_model(path, threads, overrides)


def _check_outputs(
    settings: NotifySettings, labels: Sequence[str], metrics_file: Path | None
) -> Iterator[Finding]:
    try:
        config = build_notify_config(settings)
    except SettingError as error:
        yield Finding("settings", FAULT, str(error))
    else:
        yield from check_outputs(config, labels)
    if metrics_file:
        yield check_metrics_file(metrics_file)


def _check_camera(
    settings: CameraSettings, packages: Sequence[Finding], *, with_chart: bool
) -> Iterator[Finding]:
    if not settings.source or is_broken(packages):
        return
    if is_service_running():
        detail = "in use by the service, which logs its state"
        yield Finding("camera", WARNING, detail, "sudo systemctl stop vedette  # then check again")
        return
    # Imports numpy.
    from vedette_edge.cli.capture_config import build_camera_config, build_masks, build_orientation
    from vedette_edge.doctor.camera import FrameSettings, check_camera  # imports numpy

    regions = tuple(map(parse_region, settings.regions))
    config, mounting = build_camera_config(settings), build_orientation(settings)
    frame = FrameSettings(mounting, regions, build_masks(settings))
    yield from check_camera(config, frame, with_chart=with_chart)


def _print_report(
    terminal: Output, report: ModelReport, findings: Sequence[Finding], *, as_json: bool
) -> None:
    """Print all findings. Raises SelfTestError if one is a fault."""
    faults = [finding for finding in findings if finding.level == FAULT]
    if as_json:
        data = {"ok": not faults, **report.data, "findings": [asdict(one) for one in findings]}
        terminal.print_line(json.dumps(data, indent=2, ensure_ascii=False))
    else:
        if report.table:
            terminal.out.print(report.table, soft_wrap=False)
        print_findings(findings, terminal.out)
    if faults:
        subjects = ", ".join(dict.fromkeys(finding.subject for finding in faults))
        raise SelfTestError(f"{len(faults)} fault{'s' * (len(faults) > 1)} found: {subjects}")
