"""The terminal of a command: its output kept apart from the chatter of libraries, and its errors.

All commands of the three packages run within `cli_session`.
"""

import atexit
import errno
import io
import os
import select
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TextIO

import click
from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column

from vedette_edge.errors import VedetteError
from vedette_edge.interrupt import INTERRUPTED, raise_on_interrupt

LINE_EVERY_S = 10  # of progress where there is no terminal
SPEED_S = 1800.0  # of the last work, for the time that is left: steps may take minutes
TASK_COLUMNS, BAR_COLUMNS = 44, 24  # at most: with the times, a bar has 80
READER_S = 0.5  # to wait for the reader of the last words
RAISE_LIMIT = "end other programs, or raise the limit"


class LogWriter(io.StringIO):
    """A stream that passes each line to a logger."""

    def __init__(self, name: str) -> None:
        super().__init__()
        import logging  # only functions of a library log; a command starts faster without it

        self._logger = logging.getLogger(name)

    def write(self, text: str) -> int:
        """Log the lines of a text, at level INFO."""
        for line in filter(None, text.splitlines()):
            self._logger.info("%s", line)
        return len(text)


@dataclass(frozen=True, slots=True)
class Output:
    """The two streams that a command writes to."""

    out: Console  # results
    err: Console  # everything else

    def print_line(self, text: str) -> None:
        """Print a result verbatim."""
        self.out.file.write(f"{text}\n")
        self.out.file.flush()

    def print_left_out(self, reason: str) -> None:
        """Print that something takes no part: its name, a colon, and the reason."""
        self.err.print(f"left out {escape_unprintable(reason)}", style="yellow")

    @contextmanager
    def show_progress(self, task: str, total: int) -> Iterator[Callable[[], None]]:
        """Show the progress of a task. Yields the function to call after each step."""
        with create_progress_bar(self.err) as bar:
            number = bar.add_task(task, total=total)
            yield lambda: bar.advance(number)


class ProgressBar(Progress):
    """A bar on a terminal; elsewhere, while work goes on, a line now and then."""

    def __init__(self, *columns: str | ProgressColumn, **options: Any) -> None:
        self._steps = defaultdict[TaskID, float](float)  # that are not drawn yet
        super().__init__(*columns, **options)

    def start(self) -> None:
        """Start the bar, or the time until the first line."""
        self._printed = self.get_time()
        super().start()

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        """Count a step. Several threads may call this."""
        with self._lock:
            self._steps[task_id] += advance
            if not self.console.is_terminal and self.get_time() - self._printed >= LINE_EVERY_S:
                self._print_line(task_id)

    def get_renderables(self) -> Iterable[RenderableType]:
        """Take the steps since the last refresh as one, and return what is drawn.

        A thousand may come at once; one by one, they would look like a high speed.
        """
        self._take_steps()
        return super().get_renderables()

    def _take_steps(self) -> None:
        with self._lock:
            for task_id, steps in self._steps.items():
                super().advance(task_id, steps)
            self._steps.clear()

    def _print_line(self, task_id: TaskID) -> None:
        self._take_steps()
        task = self._tasks[task_id]
        if not task.finished:
            self._printed = self.get_time()
            done = f"{task.completed:.0f} of {task.total:.0f} done"
            self.console.print(f"{task.description}: {done}")


def create_progress_bar(console: Console) -> ProgressBar:
    """Create a bar that leaves other output where it goes.

    It shows the time since its start, which moves also during a first step of minutes.
    """
    return ProgressBar(
        TextColumn("{task.description}", table_column=Column(max_width=TASK_COLUMNS, no_wrap=True)),
        BarColumn(BAR_COLUMNS),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        "left",
        console=console,
        transient=True,
        speed_estimate_period=SPEED_S,
        disable=not console.is_terminal,
        redirect_stdout=False,
        redirect_stderr=False,
    )


class _CommandError(click.ClickException):
    """An error whose message wraps between words on a terminal."""

    def show(self, file: IO[str] | None = None) -> None:
        """Print the message, unless standard error is closed."""
        if stream := file or sys.stderr:
            create_console(stream).print(f"Error: {self.format_message()}")


@contextmanager
def cli_session(log: Path | None = None) -> Iterator[Output]:
    """Run a command: send the chatter of libraries to `log`, and turn errors into messages.

    TensorFlow, XNNPACK and OpenCV write to the file descriptors 1 and 2 themselves, so these
    point to the log (or to nowhere without one) while the command writes to copies of them.
    VedetteError, OSError and a machine at its limits leave as click.ClickException (exit code 1)
    and Ctrl-C leaves as exit code 130. All other exceptions are our bugs and pass through.
    """
    if log:  # TensorFlow still writes while Python exits
        atexit.register(_send_stderr_to, log.absolute())
    with _copy_stream(1) as out, _copy_stream(2) as err:
        terminal = Output(create_console(out), create_console(err))
        try:
            with _send_output_to(log), raise_on_interrupt():
                yield terminal
        except (VedetteError, OSError, MemoryError, RuntimeError) as error:
            message = _format_error(error)
            if isinstance(error, BrokenPipeError) or not message:
                raise  # a closed pipe, at which click exits quietly, or a bug
            if not _is_read(err):
                raise click.exceptions.Exit(1) from error
            raise _CommandError(message) from error
        except KeyboardInterrupt:
            if _is_read(err):
                terminal.err.print("Stopped.")
            raise click.exceptions.Exit(INTERRUPTED) from None


def _is_read(stream: TextIO) -> bool:
    """False if writing would wait for a reader that does not read."""
    with suppress(io.UnsupportedOperation):
        return bool(select.select([], [stream], [], READER_S)[1])
    return True


def escape_unprintable(text: str) -> str:
    """Escape all characters that would control a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def escape_lines(text: str) -> str:
    """Escape all characters that would control a terminal, but for the ends of lines."""
    return "\n".join(map(escape_unprintable, text.split("\n")))


def format_answer(label: str, best: str) -> str:
    """Format a label, with the best one in brackets if it is not the label."""
    return f"{label} ({best})" if best not in ("", label) else label


def _format_error(error: Exception) -> str:
    """Format an error for the user; empty if it is a bug."""
    text = str(error)
    if isinstance(error, MemoryError):
        text = f"not enough memory{f' ({text})' if text else ''}; {RAISE_LIMIT} (ulimit -v)"
    elif isinstance(error, BlockingIOError) or text == "can't start new thread":
        limits = "(ulimit -u, or TasksMax= of a service)"
        text = f"no further process or thread can be started; {RAISE_LIMIT} {limits}"
    elif isinstance(error, VedetteError):
        pass
    elif not isinstance(error, OSError):
        return ""
    elif error.filename:
        hint = ". Free some space and try again" if error.errno == errno.ENOSPC else ""
        text = f"{error.filename}: {error.strerror}{hint}"
    return escape_lines(text)


@contextmanager
def _copy_stream(descriptor: int) -> Iterator[TextIO]:
    """Open a standard stream on a new descriptor, which stays when the first is redirected."""
    stream = sys.stdout if descriptor == 1 else sys.stderr
    try:
        copy = os.dup(stream.fileno() if stream else os.open(os.devnull, os.O_WRONLY))
    except io.UnsupportedOperation:  # a test's stand-in without a descriptor
        yield stream
        return
    encoding = getattr(stream, "encoding", "utf-8")
    # File names may hold bytes that are not valid text: escape them.
    file = os.fdopen(copy, "w", encoding=encoding, errors="backslashreplace")
    try:
        yield file
    finally:
        with suppress(OSError):  # already flushed; a full disk was reported then
            file.close()


def create_console(stream: IO[str]) -> Console:
    """Create a console for a stream, with colour and a width only if that is a terminal.

    On a terminal it wraps lines between words. For a result that must stay as it is, such as JSON,
    use `Output.print_line`, or `soft_wrap=True` for one with colour.
    """
    terminal = stream.isatty()
    return Console(
        file=stream,
        # Without a terminal a program reads the lines: do not wrap them.
        width=None if terminal else 100_000,
        soft_wrap=not terminal,
        highlight=False,
        emoji=False,
        markup=False,
        force_terminal=False if isinstance(stream, LogWriter) else None,
        force_jupyter=False,  # in a notebook, the stream would get nothing
    )


def create_log_output(name: str) -> Output:
    """Create the output of a function of a library: lines for the logger of this name."""
    console = create_console(LogWriter(name))
    return Output(console, console)


@contextmanager
def _send_output_to(log: Path | None) -> Iterator[None]:
    """Redirect the standard streams and their descriptors to a file, or to nowhere."""
    if log:
        log.parent.mkdir(parents=True, exist_ok=True)
    with (
        (log or Path(os.devnull)).open("a", encoding="utf-8") as file,
        redirect_stdout(file),
        redirect_stderr(file),
    ):
        copies = {descriptor: os.dup(descriptor) for descriptor in (1, 2)}
        for descriptor in copies:
            os.dup2(file.fileno(), descriptor)
        try:
            yield
        finally:
            file.flush()
            for descriptor, copy in copies.items():
                os.dup2(copy, descriptor)
                os.close(copy)


def _send_stderr_to(log: Path) -> None:
    with suppress(OSError), log.open("a", encoding="utf-8") as file:
        os.dup2(file.fileno(), 2)
