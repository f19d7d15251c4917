"""Ctrl-C while a program imports its modules ends it quietly, with code 130."""

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from vedette_edge.interrupt import exit_on_interrupt, raise_on_interrupt

# As some extensions do, which swallow what was raised meanwhile.
PRESS = """
import signal
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    pass
"""


def run_python(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run Python in a folder; gives the exit code, and what it wrote."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_ctrl_c_in_the_first_imports_is_code_130(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text(PRESS, encoding="utf-8")
    assert run_python(tmp_path, "-m", "vedette_edge", "predict") == (130, "")


def test_ctrl_c_while_a_command_is_imported_is_code_130(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(PRESS, encoding="utf-8")
    code = (
        "from vedette_edge.click_types import LazyGroup\n"
        "LazyGroup(lazy_commands={'go': ('slow:go', '')})(['go'])"
    )
    assert run_python(tmp_path, "-c", code) == (130, "")


def test_a_command_is_interrupted_as_ever() -> None:
    with exit_on_interrupt():
        with pytest.raises(KeyboardInterrupt), raise_on_interrupt():
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_program_that_handles_ctrl_c_itself_goes_on_doing_so() -> None:
    received: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: received.append(number))
    try:
        with exit_on_interrupt(), raise_on_interrupt():
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert received == [signal.SIGINT]


def test_threads_other_than_the_main_one_change_no_handler() -> None:
    def look() -> object:
        with exit_on_interrupt():
            return signal.getsignal(signal.SIGINT)

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(look).result() is signal.default_int_handler


def test_where_ctrl_c_is_ignored_it_stays_so() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with exit_on_interrupt(), raise_on_interrupt():
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
