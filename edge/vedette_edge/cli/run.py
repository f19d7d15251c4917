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

from vedette_edge.capture.geometry import WHOLE, parse_region
from vedette_edge.cli.camera_options import camera_flags, mounting_of, region_option, wish_of
from vedette_edge.cli.config_file import defaults
from vedette_edge.cli.log_options import log_flags
from vedette_edge.cli.model_options import foreign_flags
from vedette_edge.cli.options import (
    UNREADABLE,
    json_option,
    model_argument,
    no_self_test_option,
    prove,
    threads_option,
)
from vedette_edge.click_types import Number
from vedette_edge.console import Terminal, session
from vedette_edge.errors import SettingError, VedetteError
from vedette_edge.watch.signals import Signals

if TYPE_CHECKING:
    from vedette_edge.capture.worker import Plan
    from vedette_edge.log.rotation import Limits
    from vedette_edge.model.classifier import Classifier
    from vedette_edge.model.uncontracted import Said
    from vedette_edge.sinks import Several, Sink
    from vedette_edge.watch.reporter import Teller
    from vedette_edge.watch.stats import Scene

SHARE = Number(0, 1)


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
    found = defaults(path, run)
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
    from vedette_edge.cameras import Wish, camera_of
    from vedette_edge.model import model_file

    if "camera" in found:
        camera_of(Wish(found["camera"]))
    if "model" in found:
        model_file.read(Path(found["model"]))


def _from_file(context: click.Context, option: click.Parameter, path: Path | None) -> Path | None:
    if path:
        try:
            context.default_map = defaults(path, context.command)
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
@camera_flags
@click.option(
    "--live", is_flag=True, help="Files as of a camera: newest frame first, changes alone."
)
@click.option("--loop", is_flag=True, help="Begin files again at their end.")
@click.option("--follow", is_flag=True, help="Wait for new pictures in a folder.")
@click.option("--log", type=click.Path(path_type=Path), help="Log to this file, as JSON lines.")
@log_flags
@click.option("--every-frame", is_flag=True, help="Tell of every frame, not of changes alone.")
@region_option
@_option("--smoothing", Number(0), 1.0, "Seconds over which scores are smoothed.")
@_option("--enter", SHARE, 0.5, "Score from which a label takes over.")
@_option("--leave", SHARE, 0.35, "Score below which it is given up for unknown.")
@_option("--dwell", Number(0), 1.0, "Seconds that a label stays at least.")
@_option("--fps", Number(0), 0.0, "Most frames a second that are looked at; 0: all.")
@_option("--motion", SHARE, 0.0, "Share of the picture that must change to be looked at; 0: none.")
@_option("--heartbeat", Number(0), 60.0, "Seconds between heartbeats; 0: none.")
@json_option
@threads_option
@no_self_test_option
@foreign_flags
def run(
    model: Path,
    config: Path | None,
    log: Path | None,
    limits: "Limits",
    as_json: bool,
    threads: int | None,
    no_self_test: bool,
    said: "Said",
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
    with session() as terminal, ExitStack() as stack:
        signals = stack.enter_context(Signals(check, terminal.err.print))
        from vedette_edge.model.classifier import Classifier
        from vedette_edge.watch.reporter import Teller

        classifier = Classifier(model, threads=threads, said=said)
        plan = _plan(classifier, wished)
        sink = stack.enter_context(_sinks(terminal, plan, log, limits, as_json=as_json))
        told = Teller(terminal, sink, plan.wish.name)
        test = partial(prove, classifier, terminal, skip=no_self_test)
        _watch(classifier, plan, wished, sink, told, signals, test)
        if signals.reason == "SIGINT":
            raise KeyboardInterrupt
    if signals.again:
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    raise click.exceptions.Exit(UNREADABLE if told.left_out_count and not signals.reason else 0)


def _watch(
    classifier: "Classifier",
    plan: "Plan",
    wished: Mapping[str, Any],
    sink: "Sink",
    told: "Teller",
    signals: Signals,
    test: Callable[[], None],
) -> None:
    from vedette_edge.cameras import camera_of
    from vedette_edge.capture.supervisor import Supervisor
    from vedette_edge.host import memory
    from vedette_edge.watch.loop import watch
    from vedette_edge.watch.stats import Heartbeat, Tally

    scenes, tally = _scenes(classifier, plan, wished), Tally()
    told.watches = not plan.every
    start = {
        "model": classifier.model.path.name,
        "camera": plan.wish.name,
        **({"mounting": str(plan.mounting)} if str(plan.mounting) else {}),
        "settings": {name: value for name, value in wished.items() if name != "camera"},
    }
    with (
        told.beginning_and_end(start, signals, tally),
        Supervisor(plan, told, restarts=camera_of(plan.wish).endless) as camera,
    ):
        test()  # while the camera opens
        memory.give_back()  # the self-test's pictures
        signals.wait_for_watch()
        watch(
            classifier,
            camera,
            scenes,
            sink,
            tally=tally,
            heartbeat=Heartbeat(wished["heartbeat"]),
            seen=lambda _: told.pulse.beat(),
            stop=signals.stop,
        )


@contextmanager
def _sinks(
    terminal: Terminal, plan: "Plan", log: Path | None, limits: "Limits", *, as_json: bool
) -> Iterator["Several"]:
    from vedette_edge.sinks import Several
    from vedette_edge.sinks.log_file import Log
    from vedette_edge.sinks.systemd_status import Status
    from vedette_edge.sinks.terminal import Lines

    shown = Lines(terminal, as_json=as_json), Status("frame" if plan.every else "change")
    if log is None:
        yield Several(*shown)
        return
    with Log(log, limits, terminal.err.print) as file:
        yield Several(*shown, file)


def _plan(classifier: "Classifier", wished: Mapping[str, Any]) -> "Plan":
    from vedette_edge.cameras import camera_of
    from vedette_edge.capture.worker import Plan

    wish = wish_of(wished)
    return Plan(
        wish=wish,
        mounting=mounting_of(wished),
        framing=classifier.contract,
        regions=tuple(map(parse_region, wished["regions"])) or (WHOLE,),
        most_fps=wished["fps"],
        motion=wished["motion"],
        every=not (wished["live"] or camera_of(wish).endless),
    )


def _scenes(classifier: "Classifier", plan: "Plan", wished: Mapping[str, Any]) -> list["Scene"]:
    from vedette_edge.watch.smoothing import Decider, Rules
    from vedette_edge.watch.stats import Scene

    contract = classifier.contract
    rules = Rules(*(wished[name] for name in ("smoothing", "enter", "leave", "dwell")))
    return [
        Scene(
            region=region.name,
            decider=None if plan.every else Decider(contract.labels, contract.confidence, rules),
            every_frame=wished["every_frame"] or plan.every,
        )
        for region in plan.regions
    ]
