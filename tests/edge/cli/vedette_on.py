"""`vedette on` as a process, for its tests."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.edge.logging_now import wait_until

from vedette_edge.log.records import create_record

NOTE = '#!/bin/sh\nprintf "%s\\n" "$VEDETTE_LABEL" >>labels\n'


class On:
    """`vedette on` as a process, in a folder where its commands leave files."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder, folder / "logs" / "watch.jsonl"
        self._out, self._err = folder / "out", folder / "err"

    def write_script(self, text: str = NOTE) -> str:
        path = self.folder / "script"
        path.write_text(text, "utf-8")
        path.chmod(0o755)
        return "./script"

    def start(self, *arguments: str, ready: str = "following it") -> None:
        command = [sys.executable, "-m", "vedette_edge", "on", "--log", str(self.log), *arguments]
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(command, stdout=out, stderr=err, cwd=self.folder)
        self.wait_for(ready)

    def wait_for(self, words: str) -> None:
        """Wait for some words on standard error."""
        self.wait_until(lambda: words in self.read_errors())

    def wait_until(self, condition: Callable[[], bool]) -> None:
        def is_met() -> bool:
            assert condition() or self.process.poll() is None, self.read_errors()
            return condition()

        wait_until(is_met)

    def wait_for_lines(self, count: int) -> list[str]:
        """Wait for lines on standard output, one a run; return them."""
        self.wait_until(lambda: len(self.read_output()) >= count)
        return self.read_output()

    def wait_for_pid(self, name: str) -> int:
        """Wait until a command has written a process ID to a file."""
        path = self.folder / name
        self.wait_until(lambda: path.exists() and path.read_text("utf-8").endswith("\n"))
        return int(path.read_text("utf-8"))

    def read_labels(self) -> list[str]:
        return (self.folder / "labels").read_text("utf-8").splitlines()

    def read_output(self) -> list[str]:
        return self._out.read_text("utf-8").splitlines()

    def read_errors(self) -> str:
        return self._err.read_text("utf-8")

    def read_variables(self) -> dict[bytes, bytes]:
        """Read what `env -0 >variables` has written."""
        pairs = (self.folder / "variables").read_bytes().rstrip(b"\0").split(b"\0")
        return dict(pair.split(b"=", 1) for pair in map(bytes, pairs))

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)


def create_change(label: str, age_s: float = 0, **fields: object) -> dict[str, object]:
    record = create_record("change", time.time() - age_s)
    return record | {"label": label, "best": label, "score": 0.53} | fields


def run_on(*arguments: str | Path, before: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """Run it until it ends by itself."""
    command = [*before, sys.executable, "-m", "vedette_edge", "on", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def is_alive(pid: int) -> bool:
    """False for a process that has ended, also if nobody has asked how."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
