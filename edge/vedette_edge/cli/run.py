"""`vedette run`: the watch, assembled from the command line and the TOML file."""

import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from vedette_edge.capture.supervisor import Supervisor
from vedette_edge.capture.worker import CaptureConfig
from vedette_edge.cli.options import UNREADABLE
from vedette_edge.cli.restart_check import check_restart
from vedette_edge.cli.self_test import run_self_test
from vedette_edge.cli.show_log import show_log
from vedette_edge.cli.watch_options import (
    SOURCES,
    OutputOptions,
    run_options,
)
from vedette_edge.cli.watch_plan import WatchPlan, build_plan
from vedette_edge.console import Output, cli_session
from vedette_edge.errors import SettingError
from vedette_edge.files import find_socket, find_state_directory
from vedette_edge.host import systemd
from vedette_edge.log.formatting import RecordFormatter
from vedette_edge.model.classifier import Classifier
from vedette_edge.model.overrides import ModelOverrides
from vedette_edge.sinks import FanOut, Sink
from vedette_edge.sinks.background import BackgroundOutput, write_in_background
from vedette_edge.sinks.log_file import LogFile
from vedette_edge.sinks.state_file import StateFile
from vedette_edge.sinks.systemd_status import SystemdStatus
from vedette_edge.sinks.terminal import TerminalSink
from vedette_edge.watch.config import WatchConfig
from vedette_edge.watch.controls import Controls
from vedette_edge.watch.loop import Watch, run_watch
from vedette_edge.watch.notify_config import NotifyConfig
from vedette_edge.watch.reporter import WatchReporter
from vedette_edge.watch.signals import Signals
from vedette_edge.watch.stats import FrameTimings, Heartbeat
from vedette_edge.watch.thresholds import SETTINGS_FILE

if TYPE_CHECKING:
    from vedette_edge.cli.outputs import WatchOutputs
    from vedette_edge.live.server import LiveServer
    from vedette_edge.watch.metrics import MetricsRecorder

logger = logging.getLogger(__name__)

SOURCES_AND_EXAMPLES = f"""\b
{SOURCES}

\b
Examples:
  vedette run model.tflite --camera picamera2 --rotate 180 --log watch.jsonl
  vedette run model.tflite --camera frames/
  vedette run model.tflite --camera clip.mp4 --live --log watch.jsonl
  vedette run model.tflite --camera clip.mp4 --live --region door=200,80,240,360
  vedette run model.tflite --camera picamera2 --mqtt mqtt://homeassistant.local --snapshots pictures
  vedette run --config /etc/vedette/config.toml

\b
Rules for what a broker, webhooks and snapshots get are [[on]] tables in the file of --config.
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
        signals = stack.enter_context(_open_signals(config))
        classifier = Classifier(model, threads=threads, overrides=overrides)
        plan = build_plan(watch, classifier)
        controls = _open_controls(stack, plan, signals.request_restart)
        sink, log = _open_sinks(stack, terminal, output, plan, signals.stop)
        add_viewers, sink = _open_live(stack, output, notify.snapshots, sink, plan)
        outputs = _open_outputs(stack, notify, sink, plan, controls)
        reporter = _build_reporter(outputs.sink, terminal, plan)
        stats = stack.enter_context(reporter.record_start_and_stop(plan.describe_start(), signals))
        camera = stack.enter_context(_supervise_camera(plan.capture, reporter))
        run_self_test(classifier, terminal, skip=no_self_test)  # while the camera opens
        signals.start_watch()
        systemd.notify("READY=1")
        heartbeat = Heartbeat(watch.heartbeat, log, read_outputs=outputs.read_counters)
        parts = Watch(classifier, camera, plan.build_regions(), outputs.sink, heartbeat, stats)
        run_watch(add_viewers(outputs.attach(parts, reporter.feed_watchdog)), signals.stop)
    _exit(signals, left_out=reporter.skipped_count + stats.unclassified)


def _exit(signals: Signals, left_out: int) -> NoReturn:
    """Restart the program if a reload was requested, or else end it with its exit code.

    `left_out` counts the files that could not be read, and the pictures that could not be scored.
    """
    if signals.reload_requested:
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    raise click.exceptions.Exit(UNREADABLE if left_out and not signals.stop_reason else 0)


def _open_signals(config: Path | None) -> Signals:
    """Handle signals. A watch with a configuration file can restart with the present one."""
    check = partial(check_restart, click.get_current_context(), config)
    return Signals(check if config else None)


def _open_controls(stack: ExitStack, plan: WatchPlan, restart: Callable[[], None]) -> Controls:
    """Open what can be set while the watch runs, and the file that keeps it."""
    folder = find_state_directory()
    kept = StateFile(folder / SETTINGS_FILE if folder else None)
    stack.callback(kept.close)
    return Controls(plan.thresholds, kept, restart)


def _supervise_camera(capture: CaptureConfig, reporter: WatchReporter) -> Supervisor:
    return Supervisor(capture, reporter.report, restarts=capture.endless)


def _build_reporter(sink: Sink, terminal: BackgroundOutput, plan: WatchPlan) -> WatchReporter:
    source, count_unprinted = plan.capture.camera.name, terminal.writer.count_dropped
    return WatchReporter(sink, source, count_unprinted, continuous=not plan.capture.every_frame)


def _open_sinks(
    stack: ExitStack, terminal: BackgroundOutput, output: OutputOptions, plan: WatchPlan, stop: int
) -> tuple[Sink, LogFile | None]:
    """Open the sinks: the log, what is shown, and the service's status."""
    shown = _build_terminal_sink(terminal, plan, stop, as_json=output.as_json)
    status = SystemdStatus("frame" if plan.capture.every_frame else "change")
    if output.log is None:
        return FanOut(shown, status), None
    log = stack.enter_context(LogFile(output.log, output.limits))
    return FanOut(log, shown, status), log


def _open_live(
    stack: ExitStack, output: OutputOptions, snapshots: Path | None, sink: Sink, plan: WatchPlan
) -> tuple[Callable[[Watch], Watch], Sink]:
    """Open the socket for viewers and the metrics file, if there are to be any.

    Returns what adds them to the watch, and the sink that they share. Raises SettingError, but not
    for the service's own socket, which another service may have.
    """
    place = output.socket or find_socket()
    if not (place or output.metrics_file):
        return lambda watch: watch, sink
    from vedette_edge.watch.metrics import MetricsRecorder  # what is off costs no import

    recorder = MetricsRecorder(plan.classifier, "frame" if plan.capture.every_frame else "change")
    sink = FanOut(sink, recorder)
    if output.metrics_file:
        from vedette_edge.metrics.metrics_file import MetricsFile  # prometheus-client is an extra

        file = stack.enter_context(MetricsFile(output.metrics_file, recorder.snapshot))
        recorder.add_output("metrics_file", file.read_counters)
    hello = plan.describe_live(output.log, snapshots)
    if not (server := _open_socket(stack, output, hello, recorder)):
        return recorder.attach, sink
    from vedette_edge.watch.live_view import LiveView  # what is off costs no import

    view = LiveView(server)
    return lambda watch: view.attach(recorder.attach(watch)), FanOut(sink, server)


def _open_socket(
    stack: ExitStack,
    output: OutputOptions,
    hello: Mapping[str, object],
    recorder: "MetricsRecorder",
) -> "LiveServer | None":
    """Open the socket, if there is to be one and the service's is free. Raises SettingError."""
    if not (place := output.socket or find_socket()):
        return None
    from vedette_edge.live.server import LiveServer  # what is off costs no import

    try:
        return stack.enter_context(LiveServer(place, hello, recorder.snapshot))
    except SettingError as error:
        if output.socket:
            raise
        logger.warning("%s. The watch goes on without viewers", error)
        return None


def _build_terminal_sink(
    terminal: BackgroundOutput, plan: WatchPlan, stop: int, *, as_json: bool
) -> TerminalSink:
    """Build the lines on the terminal. Only a source that ends waits for their reader."""
    formatter = None if as_json else RecordFormatter(plan.list_answers())
    wait = partial(terminal.writer.wait_until_empty, stop)
    waits = plan.capture.every_frame and not plan.capture.endless
    return TerminalSink(terminal, formatter, wait if waits else None)


def _open_outputs(
    stack: ExitStack, notify: NotifyConfig, sink: Sink, plan: WatchPlan, controls: Controls
) -> "WatchOutputs | NoOutputs":
    """Open the outputs besides the log, if there are any. Raises SettingError."""
    if not notify.is_used:
        return NoOutputs(sink, controls)
    if plan.capture.every_frame:
        raise SettingError(
            f"{plan.capture.camera.name}: a broker, webhooks and snapshots get changes, "
            "but of files each picture is classified alone; add --live (live = true)"
        )
    from vedette_edge.cli.outputs import open_outputs  # what is off costs no import

    return stack.enter_context(open_outputs(notify, sink, plan, controls))


@dataclass(frozen=True, slots=True)
class NoOutputs:
    """A watch without outputs besides its log, terminal and status."""

    sink: Sink
    controls: Controls

    def attach(self, watch: Watch, on_frame: Callable[[FrameTimings], None]) -> Watch:
        """Return the watch with its hook and its controls."""
        return replace(watch, on_frame=on_frame, controls=self.controls)

    def read_counters(self) -> dict[str, dict[str, object]]:
        """Return nothing: there are no outputs."""
        return {}


@contextmanager
def _open_terminal(session: Output) -> Iterator[BackgroundOutput]:
    """Write in the background, also the messages of Vedette's loggers, from INFO on."""
    with write_in_background(session) as terminal, show_log(terminal.err, "vedette_edge"):
        yield terminal
