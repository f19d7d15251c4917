"""Output of commands and of the functions of a library: messages and progress."""

import io
import json
import os
import pty
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import click
import pytest
from rich.console import Console

from vedette_edge.console import (
    Output,
    cli_session,
    create_console,
    create_log_output,
    create_progress_bar,
)
from vedette_edge.errors import SettingError


def test_messages_of_a_function_go_to_its_logger_alone(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """In a notebook, too, and where the environment asks for colours."""
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    output = create_log_output("vedette_test")
    with output.show_progress("preparing pictures", 2) as advance:
        advance()
    output.err.print("2 of 9 pictures are HEIC\nand are left out", style="bold red")
    assert not caplog.messages
    with caplog.at_level("INFO", "vedette_test"):
        output.err.print("2 of 9 pictures are HEIC\nand are left out", style="bold red")
    assert caplog.messages == ["2 of 9 pictures are HEIC", "and are left out"]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("terminal", "lines"),
    [(False, ["work: 10 of 30 done", "work: 20 of 30 done"]), (True, [])],
)
def test_without_a_terminal_long_work_prints_a_line_every_ten_seconds(
    *, terminal: bool, lines: list[str]
) -> None:
    now = 0.0
    written = io.StringIO()
    console = Console(file=written, force_terminal=terminal, get_time=lambda: now, width=80)
    with Output(console, console).show_progress("work", 30) as advance:
        for _ in range(30):
            now += 1
            advance()
    printed = [line for line in written.getvalue().splitlines() if " of 30 " in line]
    assert printed == lines


@pytest.mark.parametrize("task", ["preparing unknown pictures", "fitting the head of int8, " * 3])
def test_a_bar_shows_that_time_passes_before_the_first_step_is_done(task: str) -> None:
    now = 0.0
    console = Console(file=io.StringIO(), color_system=None, get_time=lambda: now, width=80)
    bar = create_progress_bar(console)
    bar.add_task(task, total=1)
    now = 45.0
    with console.capture() as capture:
        console.print(bar.get_renderable())
    (line,) = capture.get().splitlines()
    assert task[:40] in line
    assert "0:00:45" in line
    assert "-:--:-- left" in line


def test_steps_that_come_at_once_do_not_look_like_a_high_speed() -> None:
    now = 0.0
    console = Console(file=Terminal(), color_system=None, get_time=lambda: now, width=80)
    bar = create_progress_bar(console)
    task = bar.add_task("classifying", total=10_000)
    for shard in (1, 2, 3):
        for number in range(1000):
            now = 10 * shard + number / 1_000_000
            bar.advance(task)
        bar.get_renderable()
    with console.capture() as capture:
        console.print(bar.get_renderable())
    assert "0:01:10 left" in capture.get()


class Terminal(io.StringIO):
    """A text file that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "lines"),
    [
        (Terminal(), ["left out for", "training: 2 of 9", "pictures"]),
        (io.StringIO(), ["left out for training: 2 of 9 pictures"]),
    ],
)
def test_a_terminal_gets_whole_words_and_a_pipe_gets_whole_lines(
    stream: io.StringIO, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "16")
    create_console(stream).print("left out for training: 2 of 9 pictures")
    assert [line.rstrip() for line in stream.getvalue().splitlines()] == lines


def test_errors_wrap_between_words_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "16")
    terminal, pipe = Terminal(), io.StringIO()
    with pytest.raises(click.ClickException) as error, cli_session():
        raise SettingError("a folder; expected a model file")
    error.value.show(terminal)
    error.value.show(pipe)
    lines = [line.rstrip() for line in terminal.getvalue().splitlines()]
    assert lines == ["Error: a folder;", "expected a model", "file"]
    assert pipe.getvalue() == "Error: a folder; expected a model file\n"


def test_json_on_a_terminal_stays_json(model: Path) -> None:
    """A line that wraps between words is no JSON any more."""
    master, terminal = pty.openpty()
    command = [sys.executable, "-m", "vedette_edge", "inspect", str(model), "--json"]
    with subprocess.Popen(command, stdout=terminal, env=os.environ | {"COLUMNS": "30"}) as process:
        os.close(terminal)
        pieces = list[bytes]()
        with suppress(OSError):  # the end of a terminal
            while piece := os.read(master, 4096):
                pieces.append(piece)
    os.close(master)
    assert process.returncode == 0
    assert json.loads(b"".join(pieces))["contract"]["labels"] == ["red", "green", "blue"]
