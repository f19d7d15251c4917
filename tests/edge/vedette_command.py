"""The command line, called as a user calls it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from click.testing import CliRunner, Result

from vedette_edge.__main__ import main


def call_vedette(*arguments: str | Path) -> Result:
    """Call `vedette`. A traceback fails the test."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@contextmanager
def start_watch(config: Path, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Start `vedette run` with a configuration file; kill it at the end."""
    with subprocess.Popen(
        [sys.executable, "-m", "vedette_edge", "run", "--config", str(config)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def read_events(process: subprocess.Popen[str], last: str) -> list[dict[str, object]]:
    """Read the records up to the next one of an event."""
    assert process.stdout
    records: list[dict[str, object]] = []
    while not records or records[-1]["event"] != last:
        records.append(json.loads(process.stdout.readline()))
    return records
