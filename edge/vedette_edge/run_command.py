"""`vedette run`: the watch, put together from what the command line says."""

import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vedette_edge.command_line import Terminal, session
from vedette_edge.config import defaults
from vedette_edge.errors import SettingError
from vedette_edge.foreign_flags import foreign_flags
from vedette_edge.notify import Pulse, notify
from vedette_edge.options import (
    UNREADABLE,
    json_option,
    model_argument,
    no_self_test_option,
    prove,
    threads_option,
)

if TYPE_CHECKING:
    from vedette_edge.capture_process import Plan
    from vedette_edge.classifier import Classifier
    from vedette_edge.foreign import Said
    from vedette_edge.sinks import Several, Sink
    from vedette_edge.watch import Scene, Tally

SHARE = click.FloatRange(0, 1)


def _option(
    name: str, kind: Any, default: Any, help_text: str
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """An option that shows its default."""
    return click.option(name, type=kind, default=default, show_default=True, help=help_text)


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
    type=click.Path(path_type=Path),
    is_eager=True,
    callback=_from_file,
    help="TOML file of these settings, under the same names; flags go before it.",
)
@click.option("--camera", required=True, metavar="SOURCE", help="A folder of pictures or a video.")
@click.option("--live", is_flag=True, help="As of a camera: newest frame first, changes alone.")
@click.option("--log", type=click.Path(path_type=Path), help="Log to this file, as JSON lines.")
@click.option("--every-frame", is_flag=True, help="Tell of every frame, not of changes alone.")
@click.option("--region", "regions", multiple=True, metavar="NAME=X,Y,W,H", help="A part, in px.")
@_option("--smoothing", click.FloatRange(0), 1.0, "Seconds over which scores are smoothed.")
@_option("--enter", SHARE, 0.5, "Score from which a label takes over.")
@_option("--leave", SHARE, 0.35, "Score below which it is given up for unknown.")
@_option("--dwell", click.FloatRange(0), 1.0, "Seconds that a label stays at least.")
@_option("--fps", click.FloatRange(0), 0.0, "Most frames a second that are looked at; 0: all.")
@_option("--motion", SHARE, 0.0, "Share of the picture that must change to be looked at; 0: none.")
@_option("--heartbeat", click.FloatRange(0), 60.0, "Seconds between heartbeats; 0: none.")
@json_option
@threads_option
@no_self_test_option
@foreign_flags
def run(
    model: Path,
    config: Path | None,
    log: Path | None,
    as_json: bool,
    threads: int | None,
    no_self_test: bool,
    said: "Said",
    **wished: Any,
) -> None:
    """Watch: classify what a camera sees and tell when that changes.

    Pictures of a folder and frames of a video file are told of one by one, unless they are
    watched --live.

    \b
    Examples:
      vedette run model.tflite --camera frames/
      vedette run model.tflite --camera clip.mp4 --live --log watch.jsonl
      vedette run model.tflite --camera clip.mp4 --live --region door=200,80,240,360
      vedette run --config /etc/vedette/config.toml
    """
    from vedette_edge.classifier import Classifier

    with session() as terminal, ExitStack() as stack:
        signals = stack.enter_context(_Signals(config, terminal))
        classifier = Classifier(model, threads=threads, said=said)
        prove(classifier, terminal, skip=no_self_test)
        sink = stack.enter_context(_sinks(terminal, log, as_json=as_json))
        told = _Told(terminal, sink, wished["camera"])
        _watch(classifier, wished, sink, told, signals)
    if signals.again:
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    raise click.exceptions.Exit(UNREADABLE if told.left_out_count else 0)


def _watch(
    classifier: "Classifier",
    wished: Mapping[str, Any],
    sink: "Sink",
    told: "_Told",
    signals: "_Signals",
) -> None:
    from vedette_edge.supervisor import Supervisor
    from vedette_edge.watch import Heartbeat, Tally, begun, watch

    plan, tally = _plan(classifier, wished), Tally()
    scenes = _scenes(classifier, plan, wished)
    if plan.live:
        model = classifier.model.path.name
        sink.write(begun("start") | {"model": model, "camera": plan.source, "settings": wished})
    try:
        with Supervisor(plan, told, restarts=False) as camera:
            watch(
                classifier,
                camera,
                scenes,
                sink,
                tally=tally,
                heartbeat=Heartbeat(wished["heartbeat"]),
                seen=Pulse().beat,
                stop=signals.stop,
            )
    finally:
        notify("STOPPING=1")
        if plan.live:
            sink.write(begun("stop") | {"reason": signals.reason or "the source has ended"})
        told.summary(tally)


class _Told:
    """Tells on the terminal and in the records what happens to the camera."""

    def __init__(self, terminal: Terminal, sink: "Sink", source: str) -> None:
        self._terminal, self._sink, self._source = terminal, sink, source
        self.left_out_count = 0

    def delivers(self, line: str) -> None:
        self._record("delivers", camera=line)

    def left_out(self, line: str) -> None:
        self.left_out_count += 1
        self._terminal.err.print(line, style="yellow")

    def lost(self, reason: str) -> None:
        self._record("lost", reason=reason)

    def back(self, lost_s: float) -> None:
        self._record("back", lost_s=round(lost_s, 1))

    def summary(self, tally: "Tally") -> None:
        self._terminal.err.print(tally.summary())

    def _record(self, event: str, **fields: object) -> None:
        from vedette_edge.watch import begun

        self._sink.write(begun(event) | {"camera": self._source} | fields)


@contextmanager
def _sinks(terminal: Terminal, log: Path | None, *, as_json: bool) -> Iterator["Several"]:
    from vedette_edge.log_files import Limits
    from vedette_edge.sinks import Several
    from vedette_edge.sinks.log import Log
    from vedette_edge.sinks.terminal import Lines

    lines = Lines(terminal, as_json=as_json)
    if log is None:
        yield Several(lines)
        return
    with Log(log, Limits(), terminal.err.print) as file:
        yield Several(lines, file)


def _plan(classifier: "Classifier", wished: Mapping[str, Any]) -> "Plan":
    from vedette_edge.capture_process import Plan
    from vedette_edge.region import WHOLE, parse_region

    return Plan(
        source=wished["camera"],
        live=wished["live"],
        framing=classifier.contract,
        regions=tuple(map(parse_region, wished["regions"])) or (WHOLE,),
        most_fps=wished["fps"],
        motion=wished["motion"],
        every=not wished["live"],
    )


def _scenes(classifier: "Classifier", plan: "Plan", wished: Mapping[str, Any]) -> list["Scene"]:
    from vedette_edge.decide import Decider, Rules
    from vedette_edge.watch import Scene

    labels, below = classifier.contract.labels, classifier.contract.confidence.unknown_below
    rules = Rules(*(wished[name] for name in ("smoothing", "enter", "leave", "dwell")))
    return [
        Scene(
            region=region.name,
            decider=Decider(labels, below, rules) if plan.live else None,
            every_frame=wished["every_frame"] or not plan.live,
        )
        for region in plan.regions
    ]


class _Signals:
    """SIGTERM ends the watch, SIGHUP begins it anew with the configuration as it is now."""

    def __init__(self, config: Path | None, terminal: Terminal) -> None:
        self.stop = os.eventfd(0, os.EFD_NONBLOCK)  # readable once the watch is to end
        self.reason = ""
        self.again = False
        self._config, self._terminal = config, terminal

    def __enter__(self) -> "_Signals":
        self._before = {
            signal.SIGTERM: signal.signal(signal.SIGTERM, lambda *_: self._end("SIGTERM")),
            signal.SIGHUP: signal.signal(signal.SIGHUP, lambda *_: self._reload()),
        }
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self.stop)

    def _end(self, reason: str) -> None:
        self.reason = reason
        os.eventfd_write(self.stop, 1)

    def _reload(self) -> None:
        """A configuration that is wrong changes nothing."""
        try:
            if self._config:
                defaults(self._config, run)
        except SettingError as error:
            self._terminal.err.print(f"{error}\nThe watch goes on as it was", style="red")
        else:
            self.again = True
            self._end("SIGHUP")
