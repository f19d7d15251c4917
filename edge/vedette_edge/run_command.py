"""`vedette run`: the watch, put together from what the command line says."""

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vedette_edge.command_line import Terminal, session
from vedette_edge.foreign_flags import foreign_flags
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
    from vedette_edge.watch import Scene

SHARE = click.FloatRange(0, 1)


def _option(
    name: str, kind: Any, default: Any, help_text: str
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """An option that shows its default."""
    return click.option(name, type=kind, default=default, show_default=True, help=help_text)


@click.command()
@model_argument
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
    """
    from vedette_edge.classifier import Classifier

    with session() as terminal, ExitStack() as stack:
        classifier = Classifier(model, threads=threads, said=said)
        prove(classifier, terminal, skip=no_self_test)
        sink = stack.enter_context(_sinks(terminal, log, as_json=as_json))
        told = _Told(terminal, sink, wished["camera"])
        _watch(classifier, wished, sink, told, terminal)
    raise click.exceptions.Exit(UNREADABLE if told.left_out_count else 0)


def _watch(
    classifier: "Classifier",
    wished: Mapping[str, Any],
    sink: "Sink",
    told: "_Told",
    terminal: Terminal,
) -> None:
    from vedette_edge.supervisor import Supervisor
    from vedette_edge.watch import Heartbeat, Tally, watch

    plan, tally = _plan(classifier, wished), Tally()
    scenes = _scenes(classifier, plan, wished)
    heartbeat = Heartbeat(wished["heartbeat"])
    try:
        with _stopping() as stop, Supervisor(plan, told, restarts=False) as camera:
            watch(classifier, camera, scenes, sink, tally=tally, heartbeat=heartbeat, stop=stop)
    finally:
        terminal.err.print(tally.summary())


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


@contextmanager
def _stopping() -> Iterator[int]:
    """A descriptor that can be read once SIGTERM has come."""
    stop = os.eventfd(0, os.EFD_NONBLOCK)
    before = signal.signal(signal.SIGTERM, lambda *_: os.eventfd_write(stop, 1))
    try:
        yield stop
    finally:
        signal.signal(signal.SIGTERM, before)
        os.close(stop)
