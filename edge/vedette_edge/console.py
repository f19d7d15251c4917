"""What the three commands share: a clean terminal, and errors that a person can read."""

import atexit
import errno
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import click
from rich.console import Console
from rich.progress import Progress

from vedette_edge.errors import VedetteError

INTERRUPTED = 130  # 128 + SIGINT, as shells count


@dataclass(frozen=True, slots=True)
class Output:
    """Where a command's own lines go."""

    out: Console  # results
    err: Console  # everything else

    def print_line(self, text: str) -> None:
        """Print a result as it is, to the letter."""
        print(text, file=self.out.file, flush=True)

    @contextmanager
    def show_progress(self, task: str, total: int) -> Iterator[Callable[[], None]]:
        """Show a bar with the time to go, on a terminal; gives what to call after each step."""
        with create_progress_bar(self.err) as bar:
            number = bar.add_task(task, total=total)
            yield lambda: bar.advance(number)


def create_progress_bar(console: Console) -> Progress:
    """A bar that shows on a terminal only, and leaves the chatter of others where it goes."""
    return Progress(
        console=console,
        transient=True,
        disable=not console.is_terminal,
        redirect_stdout=False,
        redirect_stderr=False,
    )


@contextmanager
def cli_session(log: Path | None = None) -> Iterator[Output]:
    """Run a command: others' chatter goes to the log, mistakes become messages.

    TensorFlow, XNNPACK and OpenCV write to the file descriptors themselves, so these are
    turned to the log (or, without one, to nowhere); the given terminal has its own. The user's
    mistakes leave as click.ClickException (code 1) and Ctrl-C as code 130; ours as they are.
    """
    if log:  # TensorFlow talks on when Python has ended
        atexit.register(_turn_stderr, log.absolute())
    with _own(1) as out, _own(2) as err:
        terminal = Output(_console(out), _console(err))
        try:
            with _diverted(log):
                yield terminal
        except (VedetteError, OSError) as error:
            if isinstance(error, BrokenPipeError):
                raise  # the reader of our output has gone; click ends quietly
            raise click.ClickException(_message(error)) from error
        except KeyboardInterrupt:
            terminal.err.print("Stopped.")
            raise click.exceptions.Exit(INTERRUPTED) from None


def _turn_stderr(log: Path) -> None:
    with suppress(OSError), log.open("a", encoding="utf-8") as file:
        os.dup2(file.fileno(), 2)


def _message(error: VedetteError | OSError) -> str:
    if isinstance(error, VedetteError) or not error.filename:
        return str(error)
    hint = ". Make room and try again" if error.errno == errno.ENOSPC else ""
    return f"{error.filename}: {error.strerror}{hint}"


@contextmanager
def _own(descriptor: int) -> Iterator[TextIO]:
    """The standard stream, on a descriptor of its own that stays when the first is turned."""
    stream = sys.stdout if descriptor == 1 else sys.stderr
    try:
        copy = os.dup(stream.fileno() if stream else os.open(os.devnull, os.O_WRONLY))
    except io.UnsupportedOperation:  # a stand-in that captures
        yield stream
        return
    # A file's name may hold bytes that are no text: shown, never a crash.
    own = os.fdopen(
        copy, "w", encoding=getattr(stream, "encoding", "utf-8"), errors="backslashreplace"
    )
    try:
        yield own
    finally:
        with suppress(OSError):  # each line was flushed, and a full disk was told of then
            own.close()


def _console(stream: TextIO) -> Console:
    # Off a terminal lines are as long as they need to be: something else will read them.
    width = None if stream.isatty() else 100_000
    return Console(
        file=stream, width=width, soft_wrap=True, highlight=False, emoji=False, markup=False
    )


@contextmanager
def _diverted(log: Path | None) -> Iterator[None]:
    if log:
        log.parent.mkdir(parents=True, exist_ok=True)
    with (
        (log or Path(os.devnull)).open("a", encoding="utf-8") as file,
        redirect_stdout(file),
        redirect_stderr(file),
    ):
        kept = {descriptor: os.dup(descriptor) for descriptor in (1, 2)}
        for descriptor in kept:
            os.dup2(file.fileno(), descriptor)
        try:
            yield
        finally:
            file.flush()
            for descriptor, copy in kept.items():
                os.dup2(copy, descriptor)
                os.close(copy)


def escape_unprintable(text: str) -> str:
    """Without what would give orders to a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
