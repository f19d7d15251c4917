"""A command in a process group of its own, with a time limit."""

import errno
import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

GRACE_S = 2.0  # from SIGTERM to SIGKILL, after the time limit
STOP_GRACE_S = 1.0  # the same if this program is to end
KILLED_S = 0.5  # to wait after SIGKILL: a driver may keep a process
CHECK_S = 0.05  # between two looks for the rest of a group
# Also of a script whose first line names no program, or ends as in Windows.
FIRST_LINE = "; a script's first line must name a program that exists, such as #!/bin/sh"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a command."""

    exit_code: int | None  # negative: the number of a signal; None: it did not start, or not end
    duration_s: float
    error: str  # empty if it succeeded
    stopped: bool = False  # this program is to end


def run_command(
    command: Sequence[str],
    output: int,
    timeout_s: float,
    stop: int,
    environment: Mapping[bytes, bytes],
) -> Outcome:
    """Run a command without a shell and without input; its output goes to a descriptor.

    It ends, with its group, after `timeout_s`, or once `stop`, a descriptor, is readable.
    """
    started_s = time.monotonic()
    try:
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    except OSError as error:
        hint = FIRST_LINE if error.errno in (errno.ENOENT, errno.ENOEXEC) else ""
        return Outcome(None, 0.0, f"cannot be run ({error.strerror}){hint}")
    try:
        return _await_end(process, started_s, timeout_s, stop)
    finally:
        if process.returncode is None:  # a second Ctrl-C
            _signal_group(process.pid, signal.SIGKILL)


def _await_end(
    process: subprocess.Popen[bytes], started_s: float, timeout_s: float, stop: int
) -> Outcome:
    ended = os.pidfd_open(process.pid)
    try:
        readable = select.select([ended, stop], [], [], timeout_s)[0]
    finally:
        os.close(ended)
    error, stopped = "", stop in readable
    if ended in readable:
        process.wait()
        error = _describe_failure(process.returncode)
    elif stopped:
        _end_group(process, STOP_GRACE_S, [])
        error = "ended with this program"
    else:
        _end_group(process, GRACE_S, [stop])
        error = f"ended after its time limit of {timeout_s:g} s"
    return Outcome(process.returncode, time.monotonic() - started_s, error, stopped)


def _describe_failure(exit_code: int) -> str:
    if exit_code < 0:
        return f"ended by signal {-exit_code} ({signal.strsignal(-exit_code)})"
    return f"exit code {exit_code}" if exit_code else ""


def _end_group(process: subprocess.Popen[bytes], grace_s: float, cut_short: list[int]) -> None:
    """Send SIGTERM, and SIGKILL to what is left after `grace_s`, or once one of these is readable.

    The group is waited for, not only the command: its children may have a pin to switch off.
    """
    _signal_group(process.pid, signal.SIGTERM)
    until_s = time.monotonic() + grace_s
    while time.monotonic() < until_s and not select.select(cut_short, [], [], CHECK_S)[0]:
        if process.poll() is not None and not _signal_group(process.pid, 0):
            return
    _signal_group(process.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        process.wait(KILLED_S)


def _signal_group(group: int, number: int) -> bool:
    """Send a signal to a group. True if it has members that take it."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
        return True
    return False
