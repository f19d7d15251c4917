"""Output that nobody reads, or that cannot be written, holds up no watch."""

import fcntl
import json
import os
import pty
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import IO, Any

import pytest

from vedette_edge.sinks.background import QUEUE_CHARACTERS, BackgroundWriter

RUN = [sys.executable, "-m", "vedette_edge", "run"]


@contextmanager
def start(
    *command: object, stdout: IO[Any] | int, stderr: int
) -> Iterator["subprocess.Popen[str]"]:
    """Start a watch, and kill it if the test fails."""
    arguments = list(map(str, [*RUN, *command]))
    with subprocess.Popen(arguments, stdout=stdout, stderr=stderr, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_until(condition: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    limit_s = time.monotonic() + 200  # emulated processors take a minute to start a watch
    while not condition():
        assert time.monotonic() < limit_s
        assert process.poll() is None
        time.sleep(0.05)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_output_that_nobody_reads_stops_neither_the_log_nor_the_end(
    model: Path, tmp_path: Path, number: int, code: int
) -> None:
    log = tmp_path / "watch.jsonl"
    command = [model, "--camera", "synthetic", "--every-frame", "--json", "--log", log]
    reader, writer = os.pipe()
    with start(*command, "--log-flush", "0.1", stdout=writer, stderr=writer) as process:
        wait_until(lambda: log.exists() and log.stat().st_size >= 2 * QUEUE_CHARACTERS, process)
        process.send_signal(number)
        assert process.wait(60) == code
    os.close(reader)
    os.close(writer)
    last = json.loads(log.read_text("utf-8").splitlines()[-1])
    assert (last["event"], last["reason"]) == ("stop", signal.Signals(number).name)
    assert last["unprinted"] > 0


def test_output_to_a_full_disk_is_reported_once_and_counted(model: Path, tmp_path: Path) -> None:
    log = tmp_path / "watch.jsonl"
    command = [model, "--camera", "synthetic", "--every-frame", "--log", log, "--log-flush", "0.1"]
    with (
        Path("/dev/full").open("wb") as full,
        start(*command, stdout=full, stderr=subprocess.PIPE) as process,
    ):
        assert process.stderr
        first = process.stderr.readline()
        assert first.startswith("standard output: No space left on device")
        wait_until(lambda: log.exists() and log.stat().st_size >= 10_000, process)
        process.send_signal(signal.SIGTERM)
        rest = process.stderr.read()
        assert process.wait(60) == 0
    assert "No space left" not in rest
    records = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    assert records[-1]["unprinted"] > 10
    assert records[-1]["reason"] == "SIGTERM"


def test_a_slow_reader_of_a_folder_s_results_misses_none(model: Path, photos: Path) -> None:
    for number in range(40):
        (photos / f"{number}.png").write_bytes((photos / "b-green.png").read_bytes())
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    command = [model, "--camera", photos, "--json"]
    with start(*command, stdout=writer, stderr=subprocess.DEVNULL) as process:
        os.close(writer)
        time.sleep(3)
        with os.fdopen(reader) as lines:
            assert len([json.loads(line) for line in lines]) == 43
        assert process.wait(60) == 0


def test_a_followed_folder_does_not_wait_for_a_reader(
    model: Path, photos: Path, tmp_path: Path
) -> None:
    log, reader, writer = tmp_path / "watch.jsonl", *os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    command = [model, "--camera", photos, "--follow", "--json", "--log", log, "--log-flush", "0.1"]
    picture, numbers = (photos / "b-green.png").read_bytes(), count()

    def add_until(lines: int) -> bool:
        """Add a picture; true if the log has so many lines. What is there at first is not new."""
        (photos / f"{next(numbers)}.png").write_bytes(picture)
        return log.exists() and log.read_text("utf-8").count("\n") >= lines

    with start(*command, stdout=writer, stderr=writer) as process:
        wait_until(lambda: add_until(40), process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    os.close(reader)
    os.close(writer)


def test_a_terminal_that_went_away_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    master, slave = pty.openpty()
    os.close(master)
    with os.fdopen(slave, "w") as terminal:
        writer = BackgroundWriter(terminal, "standard output")
        for _ in range(5):
            writer.write("line\n")
        writer.close(time.monotonic() + 60)
    assert writer.count_dropped() == 5
    assert caplog.messages == [
        "standard output: Input/output error; what it misses is dropped and counted"
    ]


def test_a_reader_that_has_gone_ends_a_watch_in_the_foreground() -> None:
    reader, pipe = os.pipe()
    os.close(reader)
    with os.fdopen(pipe, "w") as file:
        writer = BackgroundWriter(file, "standard output")
        writer.write("line\n")
        writer.wait_until_empty(os.eventfd(0, os.EFD_NONBLOCK))
        with pytest.raises(BrokenPipeError):
            writer.write("line\n")
        writer.close(time.monotonic() + 60)


def test_a_watch_ends_quietly_with_its_reader(model: Path) -> None:
    command = [*RUN, str(model), "--camera", "synthetic", "--every-frame"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        rest = process.stderr.read()
        assert process.wait(60) == 1
    assert "Traceback" not in rest


def test_a_watch_ends_with_its_terminal(model: Path) -> None:
    def take_terminal() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # with nohup, these tests ignore it
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    master, slave = pty.openpty()
    command = [*RUN, str(model), "--camera", "synthetic:64x48@5", "--every-frame"]
    with subprocess.Popen(
        command,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=take_terminal,
    ) as process:
        os.close(slave)
        os.read(master, 100)
        os.close(master)
        assert process.wait(60) == 0


def test_a_file_s_name_controls_no_terminal_and_forges_no_line(model: Path, photos: Path) -> None:
    (photos / "a\x1b]0;owned\x07\nforged line.jpg").write_bytes(b"no picture")
    done = subprocess.run(
        [*RUN, str(model), "--camera", str(photos)], capture_output=True, text=True, check=False
    )
    assert "\x1b" not in done.stderr
    assert "\nforged" not in done.stderr
    assert "forged line.jpg" in done.stderr
