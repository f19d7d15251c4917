"""The command line as a whole: its help, its imports, and how mistakes end."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from vedette_edge.__main__ import COMMANDS, main
from vedette_edge.console import cli_session


def find_imported(statement: str) -> set[str]:
    """The modules that a new process has after a statement."""
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "statement",
    [
        "from vedette_edge.__main__ import main; main(['--help'], standalone_mode=False)",
        "import vedette_edge.cli.check",  # which must start where either is broken
        "import vedette_edge.cli.mqtt, vedette_edge.doctor.broker",
    ],
)
def test_help_and_the_doctor_start_without_numpy_and_opencv(statement: str) -> None:
    assert {"numpy", "cv2"}.isdisjoint(find_imported(statement))


def test_the_watch_starts_without_the_clients_of_mqtt_and_prometheus() -> None:
    imported = find_imported("import vedette_edge.cli.run")
    assert {"paho", "prometheus_client"}.isdisjoint(name.split(".")[0] for name in imported)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_of_the_table_is_there_and_has_examples(name: str) -> None:
    assert f"  {name} " in CliRunner().invoke(main, ["--help"]).stdout
    command = main.get_command(click.Context(main), name)
    assert command
    assert command.name == name
    assert "Examples:" in CliRunner().invoke(main, [name, "--help"]).stdout


def test_an_unknown_command_is_a_wrong_command_line() -> None:
    result = CliRunner().invoke(main, ["predcit"])
    assert (result.exit_code, "predcit" in result.stderr) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("predict", "gone.tflite", "{photos}"), "gone.tflite"),
        (("predict", "{model}", "gone.jpg"), "gone.jpg"),
        (("predict", "{model}", ""), "photos/*.jpg"),
        (("inspect", "gone.tflite"), "gone.tflite"),
        (("run", "{model}", "--camera", ""), ""),
        (("run", "{model}", "--camera", "gone.mp4"), "gone.mp4"),
        (("run", "{model}", "--camera", "{photos}", "--log", "/dev/full"), "/dev/full"),
        (("run", "{model}", "--camera", "{photos}", "--region", "a=9,9,999,9"), "1008"),
    ],
)
def test_a_mistake_is_one_line_and_code_1(
    model: Path, photos: Path, arguments: tuple[str, ...], name: str
) -> None:
    filled = [argument.format(model=model, photos=photos) for argument in arguments]
    result = CliRunner().invoke(main, filled)
    assert result.exit_code == 1
    last = result.stderr.splitlines()[-1]
    assert last.startswith("Error: ")
    assert name in last


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError("Unable to allocate 1 GiB"), r"not enough memory \(Unable .*ulimit -v"),
        (MemoryError(), r"not enough memory; end other programs"),
        (RuntimeError("can't start new thread"), r"no further process or thread .*TasksMax="),
        (BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN)), "no further .*ulimit -u"),
    ],
)
def test_a_machine_at_its_limits_is_an_error_with_advice(error: Exception, words: str) -> None:
    with pytest.raises(click.ClickException, match=words), cli_session():
        raise error


BUSY = """
import atexit, sys, threading
import cv2, numpy
from vedette_edge import __main__ as program

def call_opencv():
    while True:
        cv2.GaussianBlur(picture, (5, 5), 0)

def fail():
    atexit.register(print, "the end", file=sys.stderr)
    raise RuntimeError("a bug")

picture = numpy.zeros((480, 640, 3), numpy.uint8)
threading.Thread(target=call_opencv, daemon=True).start()
"""


@pytest.mark.parametrize(
    ("statement", "code", "last_words"),
    [
        ("sys.argv[1:] = ['--help']", 0, "Measure how fast the watch is.\n"),
        ("sys.argv[1:] = ['predcit']", 2, "No such command 'predcit'.\n"),
        ("sys.argv[1:] = ['inspect', 'gone']", 1, "gone: No such file or directory\n"),
        ("program.main = fail", 1, "RuntimeError: a bug\nthe end\n"),
    ],
)
def test_a_thread_that_outlives_a_command_changes_neither_its_output_nor_its_exit_code(
    statement: str, code: int, last_words: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"{BUSY}{statement}; program.start()"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": ""},
    )
    assert done.returncode == code, done.stdout
    assert done.stdout.endswith(last_words)


def test_a_bug_is_not_reported_as_a_mistake() -> None:
    with pytest.raises(RuntimeError, match="a bug"), cli_session():
        raise RuntimeError("a bug")
