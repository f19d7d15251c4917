"""`vedette run`: the watch, assembled from the command line and the TOML file."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click
from rich.console import Console

from vedette_edge.capture.supervisor import Supervisor
from vedette_edge.capture.worker import CaptureConfig
from vedette_edge.cli.capture_config import build_capture_config
from vedette_edge.cli.notify_options import DeviceFacts, NotifyConfig, apply_overrides
from vedette_edge.cli.options import UNREADABLE
from vedette_edge.cli.restart_check import check_restart
from vedette_edge.cli.self_test import run_self_test
from vedette_edge.cli.watch_options import (
    SOURCES,
    OutputOptions,
    run_options,
)
from vedette_edge.console import Output, cli_session, escape_lines, format_answer
from vedette_edge.errors import SettingError
from vedette_edge.host import systemd
from vedette_edge.log.formatting import RecordFormatter, format_label
from vedette_edge.model.classifier import Classifier
from vedette_edge.model.contract import UNKNOWN
from vedette_edge.model.overrides import ModelOverrides
from vedette_edge.sinks import FanOut, Sink
from vedette_edge.sinks.background import BackgroundOutput, write_in_background
from vedette_edge.sinks.log_file import LogFile
from vedette_edge.sinks.systemd_status import SystemdStatus
from vedette_edge.sinks.terminal import TerminalSink
from vedette_edge.watch.config import WatchConfig
from vedette_edge.watch.loop import Watch, run_watch
from vedette_edge.watch.reporter import WatchReporter
from vedette_edge.watch.signals import Signals
from vedette_edge.watch.smoothing import LabelSmoother, SmoothingConfig
from vedette_edge.watch.stats import Heartbeat, RegionState

if TYPE_CHECKING:
    from vedette_edge.cli.outputs import WatchOutputs

SOURCES_AND_EXAMPLES = f"""\b
{SOURCES}

\b
Examples:
  vedette run model.tflite --camera picamera2 --rotate 180 --log watch.jsonl
  vedette run model.tflite --camera frames/
  vedette run model.tflite --camera clip.mp4 --live --log watch.jsonl
  vedette run model.tflite --camera clip.mp4 --live --region door=200,80,240,360
  vedette run --config /etc/vedette/config.toml
"""


@click.command(epilog=SOURCES_AND_EXAMPLES)
@run_options
def run(
    model: Path,
    config: Path | None,
    watch: WatchConfig,
    output: OutputOptions,
    notify: NotifyConfig,
    threads: int | None,
    no_self_test: bool,
    overrides: ModelOverrides,
) -> None:
    """Watch a camera: classify what it sees and report changes."""
    with cli_session() as session, ExitStack() as stack:
        terminal = stack.enter_context(_open_terminal(session))
        check = partial(check_restart, click.get_current_context(), config)
        signals = stack.enter_context(Signals(check if config else None))
        watch, overridden = apply_overrides(notify, watch)
        classifier = Classifier(model, threads=threads, overrides=overrides)
        capture = build_capture_config(watch, classifier.contract)
        _require_live(notify, capture)
        shown = _build_terminal_sink(terminal, output.as_json, capture, classifier, signals.stop)
        sink, log = _open_sinks(stack, shown, output, capture)
        facts = _describe_device(classifier, capture, signals)
        outputs = _open_outputs(stack, notify, sink, watch, facts)
        sink = outputs.notifier if outputs else sink
        reporter = _build_reporter(sink, terminal, capture)
        start = _describe_start(watch, capture, classifier) | overridden
        stats = stack.enter_context(reporter.record_start_and_stop(start, signals))
        camera = stack.enter_context(Supervisor(capture, reporter.report, restarts=capture.endless))
        run_self_test(classifier, terminal, skip=no_self_test)  # while the camera opens
        signals.start_watch()
        systemd.notify("READY=1")
        regions = _build_regions(watch, capture, classifier)
        count_losses = outputs.count_losses if outputs else dict
        heartbeat = Heartbeat(watch.heartbeat, log, count_losses=count_losses)
        parts = Watch(classifier, camera, regions, sink, heartbeat, stats, reporter.feed_watchdog)
        run_watch(outputs.attach(parts, capture.regions) if outputs else parts, signals.stop)
    _exit(signals, left_out=reporter.skipped_count + stats.unclassified)


def _exit(signals: Signals, left_out: int) -> NoReturn:
    """Restart the program if a reload was requested, or else end it with its exit code.

    `left_out` counts the files that could not be read, and the pictures that could not be scored.
    """
    if signals.reload_requested:
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    raise click.exceptions.Exit(UNREADABLE if left_out and not signals.stop_reason else 0)


def _build_reporter(
    sink: Sink, terminal: BackgroundOutput, capture: CaptureConfig
) -> WatchReporter:
    source, count_unprinted = capture.camera.name, terminal.writer.count_dropped
    return WatchReporter(sink, source, count_unprinted, continuous=not capture.every_frame)


def _build_regions(
    config: WatchConfig, capture: CaptureConfig, classifier: Classifier
) -> list[RegionState]:
    contract = classifier.contract
    smoothing = SmoothingConfig(config.smoothing, config.enter, config.leave, config.dwell)
    if capture.every_frame:
        return [RegionState(region.name, None, every_frame=True) for region in capture.regions]
    regions = []
    for region in capture.regions:
        smoother = LabelSmoother(contract.labels, contract.confidence, smoothing)
        regions.append(RegionState(region.name, smoother, config.every_frame))
    return regions


def _describe_start(
    config: WatchConfig, capture: CaptureConfig, classifier: Classifier
) -> dict[str, object]:
    orientation = str(capture.orientation)
    return {
        "model": classifier.model.path.name,
        "camera": capture.camera.name,
        **({"mounting": orientation} if orientation else {}),
        "settings": config.to_settings(),
    }


def _build_terminal_sink(
    terminal: BackgroundOutput,
    as_json: bool,
    capture: CaptureConfig,
    classifier: Classifier,
    stop: int,
) -> TerminalSink:
    """Build the lines on the terminal. Only a source that ends waits for their reader."""
    formatter = None if as_json else RecordFormatter(_list_answers(capture, classifier))
    wait = partial(terminal.writer.wait_until_empty, stop)
    waits = capture.every_frame and not capture.endless
    return TerminalSink(terminal, formatter, wait if waits else None)


def _list_answers(capture: CaptureConfig, classifier: Classifier) -> Iterator[str]:
    """List all answers of a watch. One that reports changes has thresholds of its own."""
    contract = classifier.contract
    answers = [*contract.labels]
    for label in contract.labels:
        if contract.confidence.threshold(label) or not capture.every_frame:
            answers.append(format_answer(UNKNOWN, label))
    for region in capture.regions:
        yield from (format_label(region.name, answer) for answer in answers)


def _open_sinks(
    stack: ExitStack, shown: Sink, output: OutputOptions, capture: CaptureConfig
) -> tuple[Sink, LogFile | None]:
    """Open the sinks: the log, what is shown, and the service's status."""
    status = SystemdStatus("frame" if capture.every_frame else "change")
    if output.log is None:
        return FanOut(shown, status), None
    log = stack.enter_context(LogFile(output.log, output.limits))
    return FanOut(log, shown, status), log


def _describe_device(
    classifier: Classifier, capture: CaptureConfig, signals: Signals
) -> DeviceFacts:
    """Describe the watch to its outputs."""
    regions = tuple(region.name for region in capture.regions)
    return DeviceFacts(classifier.contract.labels, regions, signals.request_restart)


def _require_live(notify: NotifyConfig, capture: CaptureConfig) -> None:
    """Raise SettingError if there are outputs for changes that never come."""
    if notify.is_used and capture.every_frame:
        raise SettingError(
            f"{capture.camera.name}: a broker, webhooks and snapshots are told of changes, but of "
            "files each picture is classified alone; add --live (live = true)"
        )


def _open_outputs(
    stack: ExitStack, notify: NotifyConfig, sink: Sink, watch: WatchConfig, facts: DeviceFacts
) -> "WatchOutputs | None":
    """Open the outputs besides the log, if there are any. Raises SettingError."""
    if not notify.is_used:
        return None
    from vedette_edge.cli.outputs import open_outputs  # what is off costs no import

    return stack.enter_context(open_outputs(notify, sink, watch, facts))


class _ConsoleHandler(logging.Handler):
    """Prints log messages on a console, warnings in yellow."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        """Print a message."""
        style = "yellow" if record.levelno >= logging.WARNING else None
        with suppress(OSError):  # the terminal may be closed
            self._console.print(escape_lines(self.format(record)), style=style)


@contextmanager
def _open_terminal(session: Output) -> Iterator[BackgroundOutput]:
    """Write in the background, also the messages of Vedette's loggers, from INFO on."""
    logger = logging.getLogger("vedette_edge")
    level = logger.level
    logger.setLevel(logging.INFO)
    with write_in_background(session) as terminal:
        handler = _ConsoleHandler(terminal.err)
        logger.addHandler(handler)
        try:
            yield terminal
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)
