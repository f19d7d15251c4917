"""`vedette run`: the watch, put together from what the command line says."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from vedette_edge.capture.region import WHOLE, parse_region
from vedette_edge.cli.camera_options import (
    camera_config,
    camera_options,
    mounting_of,
    region_option,
)
from vedette_edge.cli.config_file import load_settings
from vedette_edge.cli.log_options import log_options
from vedette_edge.cli.options import (
    UNREADABLE,
    json_option,
    model_argument,
    model_options,
    no_self_test_option,
    threads_option,
)
from vedette_edge.click_types import FiniteFloat
from vedette_edge.console import Output, cli_session
from vedette_edge.errors import SettingError, VedetteError
from vedette_edge.watch.signals import Signals

if TYPE_CHECKING:
    from vedette_edge.capture.worker import CaptureConfig
    from vedette_edge.log.rotation import LogLimits
    from vedette_edge.model.classifier import Classifier
    from vedette_edge.model.overrides import ModelOverrides
    from vedette_edge.sinks import FanOut, Sink
    from vedette_edge.watch.reporter import WatchReporter
    from vedette_edge.watch.stats import RegionState

SHARE = FiniteFloat(0, 1)


def _option(
    name: str, kind: Any, default: Any, help_text: str
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """An option that shows its default."""
    return click.option(name, type=kind, default=default, show_default=True, help=help_text)


def _check(context: click.Context) -> None:
    """Would the file do, as it is now? Raises SettingError."""
    path = context.params["config"]
    if not path:
        return
    found = load_settings(path, run)
    for one in run.params:
        name = str(one.name)
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT_MAP:
            found.pop(name, None)  # the command line has it
        elif one.required and name not in found:
            raise SettingError(f"{path}: {name} is missing")
    try:
        _try(found)
    except VedetteError as error:
        raise SettingError(f"{path}: {error}") from error


def _try(found: Mapping[str, Any]) -> None:
    """Is what these settings name there, and whole? What only the watch finds out is left to it."""
    from vedette_edge.cameras import CameraConfig, find_camera
    from vedette_edge.model import model_file

    if "camera" in found:
        find_camera(CameraConfig(found["camera"]))
    if "model" in found:
        model_file.read_model_file(Path(found["model"]))


def _from_file(context: click.Context, option: click.Parameter, path: Path | None) -> Path | None:
    if path:
        try:
            context.default_map = load_settings(path, context.command)
        except SettingError as error:
            raise click.ClickException(str(error)) from error
    return path


@click.command()
@model_argument
@click.option(
    "--config",
    type=click.Path(path_type=Path, readable=False),
    is_eager=True,
    callback=_from_file,
    help="TOML file of these settings, under the same names; flags overrule it.",
)
@click.option("--camera", required=True, metavar="SOURCE", help="See below.")
@camera_options
@click.option(
    "--live", is_flag=True, help="Files as of a camera: newest frame first, changes alone."
)
@click.option("--loop", is_flag=True, help="Begin files again at their end.")
@click.option("--follow", is_flag=True, help="Wait for new pictures in a folder.")
@click.option("--log", type=click.Path(path_type=Path), help="Log to this file, as JSON lines.")
@log_options
@click.option("--every-frame", is_flag=True, help="Tell of every frame, not of changes alone.")
@region_option
@_option("--smoothing", FiniteFloat(0), 1.0, "Seconds over which scores are smoothed.")
@_option("--enter", SHARE, 0.5, "Score from which a label takes over.")
@_option("--leave", SHARE, 0.35, "Score below which it is given up for unknown.")
@_option("--dwell", FiniteFloat(0), 1.0, "Seconds that a label stays at least.")
@_option("--fps", FiniteFloat(0), 0.0, "Most frames a second that are looked at; 0: all.")
@_option("--motion", SHARE, 0.0, "Share of the picture that must change to be looked at; 0: none.")
@_option("--heartbeat", FiniteFloat(0), 60.0, "Seconds between heartbeats; 0: none.")
@json_option
@threads_option
@no_self_test_option
@model_options
def run(
    model: Path,
    config: Path | None,
    log: Path | None,
    limits: "LogLimits",
    as_json: bool,
    threads: int | None,
    no_self_test: bool,
    overrides: "ModelOverrides",
    **wished: Any,
) -> None:
    """Watch: classify what a camera sees and tell when that changes.

    \b
    SOURCE is one of:
      picamera2, picamera2:1      a camera on the Pi's own connector
      /dev/video0, v4l2:0         a USB camera
      rtsp://..., http://...      a stream
      -, -:raw:640x480            JPEGs, or raw R, G, B, on standard input
      synthetic                   a test picture that moves
      a folder, a video file      told of one by one, unless watched --live

    \b
    Examples:
      vedette run model.tflite --camera picamera2 --rotate 180 --log watch.jsonl
      vedette run model.tflite --camera frames/
      vedette run model.tflite --camera clip.mp4 --live --log watch.jsonl
      vedette run model.tflite --camera clip.mp4 --live --region door=200,80,240,360
      vedette run --config /etc/vedette/config.toml
    """
    check = partial(_check, click.get_current_context())
    with cli_session() as terminal, ExitStack() as stack:
        signals = stack.enter_context(Signals(check, terminal.err.print))
        from vedette_edge.cli.self_test import run_self_test
        from vedette_edge.model.classifier import Classifier
        from vedette_edge.watch.reporter import WatchReporter

        classifier = Classifier(model, threads=threads, overrides=overrides)
        plan = _plan(classifier, wished)
        sink = stack.enter_context(_sinks(terminal, plan, log, limits, as_json=as_json))
        told = WatchReporter(terminal, sink, plan.camera.name)
        test = partial(run_self_test, classifier, terminal, skip=no_self_test)
        _watch(classifier, plan, wished, sink, told, signals, test)
        if signals.stop_reason == "SIGINT":
            raise KeyboardInterrupt
    if signals.reload_requested:
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    raise click.exceptions.Exit(
        UNREADABLE if told.left_out_count and not signals.stop_reason else 0
    )


def _watch(
    classifier: "Classifier",
    plan: "CaptureConfig",
    wished: Mapping[str, Any],
    sink: "Sink",
    told: "WatchReporter",
    signals: Signals,
    test: Callable[[], None],
) -> None:
    from vedette_edge.cameras import find_camera
    from vedette_edge.capture.supervisor import Supervisor
    from vedette_edge.host import memory
    from vedette_edge.watch.loop import run_watch
    from vedette_edge.watch.stats import Heartbeat, WatchStats

    scenes, tally = _scenes(classifier, plan, wished), WatchStats()
    told.watches = not plan.every_frame
    start = {
        "model": classifier.model.path.name,
        "camera": plan.camera.name,
        **({"mounting": str(plan.orientation)} if str(plan.orientation) else {}),
        "settings": {name: value for name, value in wished.items() if name != "camera"},
    }
    with (
        told.beginning_and_end(start, signals, tally),
        Supervisor(plan, told, restarts=find_camera(plan.camera).endless) as camera,
    ):
        test()  # while the camera opens
        memory.trim_heap()  # the self-test's pictures
        signals.wait_for_watch()
        run_watch(
            classifier,
            camera,
            scenes,
            sink,
            tally=tally,
            heartbeat=Heartbeat(wished["heartbeat"]),
            seen=lambda _: told.pulse.feed(),
            stop=signals.stop,
        )


@contextmanager
def _sinks(
    terminal: Output, plan: "CaptureConfig", log: Path | None, limits: "LogLimits", *, as_json: bool
) -> Iterator["FanOut"]:
    from vedette_edge.sinks import FanOut
    from vedette_edge.sinks.log_file import LogFile
    from vedette_edge.sinks.systemd_status import SystemdStatus
    from vedette_edge.sinks.terminal import TerminalSink

    shown = (
        TerminalSink(terminal, as_json=as_json),
        SystemdStatus("frame" if plan.every_frame else "change"),
    )
    if log is None:
        yield FanOut(*shown)
        return
    with LogFile(log, limits, terminal.err.print) as file:
        yield FanOut(*shown, file)


def _plan(classifier: "Classifier", wished: Mapping[str, Any]) -> "CaptureConfig":
    from vedette_edge.cameras import find_camera
    from vedette_edge.capture.worker import CaptureConfig

    wish = camera_config(wished)
    return CaptureConfig(
        camera=wish,
        orientation=mounting_of(wished),
        input_spec=classifier.contract,
        regions=tuple(map(parse_region, wished["regions"])) or (WHOLE,),
        max_fps=wished["fps"],
        motion=wished["motion"],
        every_frame=not (wished["live"] or find_camera(wish).endless),
    )


def _scenes(
    classifier: "Classifier", plan: "CaptureConfig", wished: Mapping[str, Any]
) -> list["RegionState"]:
    from vedette_edge.watch.smoothing import LabelSmoother, SmoothingConfig
    from vedette_edge.watch.stats import RegionState

    contract = classifier.contract
    rules = SmoothingConfig(*(wished[name] for name in ("smoothing", "enter", "leave", "dwell")))
    return [
        RegionState(
            region=region.name,
            smoother=None
            if plan.every_frame
            else LabelSmoother(contract.labels, contract.confidence, rules),
            every_frame=wished["every_frame"] or plan.every_frame,
        )
        for region in plan.regions
    ]
