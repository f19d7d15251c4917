"""`vedette check`: the doctor, and the samples that the model proves itself by."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vedette_edge.capture.region import parse_region
from vedette_edge.cli.model_options import model_options
from vedette_edge.cli.options import json_option, threads_option
from vedette_edge.cli.watch_options import camera_options, config_option, log_options
from vedette_edge.console import Output, cli_session
from vedette_edge.doctor import FAULT, OK, WARNING, Finding, as_text
from vedette_edge.errors import (
    SelfTestError,
    VedetteError,
)
from vedette_edge.log.rotation import LogLimits
from vedette_edge.watch.config import CameraSettings

if TYPE_CHECKING:
    from vedette_edge.model.self_test import Replay
    from vedette_edge.model.uncontracted import ModelOverrides

_file = click.Path(path_type=Path)


@click.command()
@click.argument("model", type=_file, required=False)
@config_option
@camera_options
@click.option("--test-chart", is_flag=True, help="The camera is shown the chart: is it seen right?")
@click.option("--write-chart", type=_file, help="Write the chart, to be printed or shown.")
@log_options
@json_option
@threads_option
@model_options
def check(
    model: Path | None,
    write_chart: Path | None,
    as_json: bool,
    threads: int | None,
    log: Path | None,
    limits: LogLimits,
    config: Path | None,
    camera: CameraSettings,
    test_chart: bool,
    overrides: "ModelOverrides",
) -> None:
    """Is all well: model, packages, camera, disk, clock, power? And how is it mended?

    The samples that a model carries go the whole way on this machine: decoded, turned, resized,
    classified. Inputs must be equal to the byte, labels equal, scores within two output steps.
    Code 1 if anything is at fault.

    \b
    Examples:
      vedette check model.tflite
      vedette check --config /etc/vedette/config.toml
      vedette check model.tflite --camera picamera2 --log /var/log/vedette/watch.jsonl
      vedette check --write-chart chart.png
      vedette check --camera picamera2 --test-chart
      vedette check model.tflite --json
    """
    if test_chart and not camera.source:
        raise click.UsageError("--test-chart needs --camera SOURCE, or a --config that names one")
    with cli_session() as terminal:
        if write_chart:
            _write_chart(write_chart)
            terminal.err.print(f"{write_chart}: print it, or show it, so that it fills the picture")
            return
        replays: list[Replay] = []
        proof = partial(_model, model, threads, overrides, replays) if model else tuple
        looking = partial(_camera, camera, with_chart=test_chart) if camera.source else tuple
        findings = [
            *_missing(config, model, camera),
            *_findings(proof, camera.source or "", looking, log, limits),
        ]
        _tell(terminal, replays, findings, as_json=as_json)


def _missing(config: Path | None, model: Path | None, camera: CameraSettings) -> Iterator[Finding]:
    """What the service's settings must say, but do not."""
    for name, value in (("model", model), ("camera", camera.source)):
        if config and value is None:
            yield Finding(name, FAULT, f"{config} names none, so the watch cannot start")


def _findings(
    proof: Callable[[], Iterable[Finding]],
    source: str,
    looking: Callable[[], Iterable[Finding]],
    log: Path | None,
    limits: LogLimits,
) -> Iterator[Finding]:
    from vedette_edge.doctor import disk, machine, packages

    fit = [*packages.check_packages(source)]
    usable = all(one.subject != packages.BROKEN for one in fit)
    if usable:
        yield from proof()
    yield from fit
    yield from machine.check_machine(source)
    if log:
        yield from disk.check_disk(log, limits)
    if usable:
        yield from looking()


def _model(
    path: Path, threads: int | None, overrides: "ModelOverrides", replays: list["Replay"]
) -> Iterator[Finding]:
    """Builds an interpreter, and replays the samples into `replays`."""
    from vedette_edge.doctor import packages
    from vedette_edge.model import self_test
    from vedette_edge.model.classifier import Classifier

    try:
        classifier = Classifier(path, threads=threads, overrides=overrides)
        replays += self_test.replay_samples(classifier)
        if classifier.model.contract is None:
            found = f"{path} was made by another tool and carries no samples: nothing is proved"
            mend = "vedette-convert KERAS_MODEL  # on a workstation: see docs/conversion.md"
            yield Finding("model", WARNING, found, mend)
            return
        self_test.require_equal(classifier, replays)
    except SelfTestError as error:
        yield Finding("model", FAULT, str(error), packages.suggest_reinstall())
    except VedetteError as error:  # which says what to do next
        yield Finding("model", FAULT, str(error))
    else:
        found = f"{len(replays)} samples are equal here, on {classifier.network.runtime}"
        yield Finding("model", OK, found)


def _camera(settings: CameraSettings, *, with_chart: bool) -> Iterator[Finding]:
    from vedette_edge.cli.run import build_camera_config, build_orientation  # they load numpy
    from vedette_edge.doctor import camera, machine

    if machine.runs_as_service():
        found = "the service has it, and tells of it in its log"
        yield Finding("camera", WARNING, found, "sudo systemctl stop vedette  # then check again")
    else:
        yield from camera.check_camera(
            build_camera_config(settings),
            build_orientation(settings),
            tuple(map(parse_region, settings.regions)),
            with_chart=with_chart,
        )


def _write_chart(path: Path) -> None:
    import cv2

    from vedette_edge.doctor import test_chart
    from vedette_edge.files import atomic_write

    ending = path.suffix if path.suffix.lower() in (".png", ".jpg", ".jpeg") else ".png"
    encoded = cv2.imencode(ending, test_chart.draw_chart()[..., ::-1])[1].tobytes()
    with atomic_write(path) as temporary:
        temporary.write_bytes(encoded)


def _tell(
    terminal: Output, replays: Sequence["Replay"], findings: Sequence[Finding], *, as_json: bool
) -> None:
    """Raises SelfTestError where anything is at fault."""
    faults = [one for one in findings if one.level == FAULT]
    if as_json:
        terminal.out.print(_as_json(replays, findings, ok=not faults))
    else:
        if replays:
            from vedette_edge.model import self_test

            terminal.out.print(self_test.as_table(replays), soft_wrap=False)
        terminal.out.print(as_text(findings))
    if faults:
        raise SelfTestError(f"{len(faults)} at fault. {faults[0].subject}: {faults[0].detail}")


def _as_json(replays: Sequence["Replay"], findings: Sequence[Finding], *, ok: bool) -> str:
    told: dict[str, object] = {"equal": False, "samples": []}
    if replays:
        from vedette_edge.model import self_test

        told = self_test.as_data(replays)
    found = {"ok": ok, **told, "findings": [asdict(one) for one in findings]}
    return json.dumps(found, indent=2, ensure_ascii=False)
