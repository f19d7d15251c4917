"""A mosquitto on a free port of this machine's loopback."""

import socket
import subprocess
import time
from pathlib import Path

PATIENCE_S = 10.0


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


class Broker:
    """A broker that keeps nothing on disk: what was retained is gone when it starts again."""

    def __init__(self, program: str, folder: Path) -> None:
        self.port = free_port()
        settings = folder / "mosquitto.conf"
        listener = f"listener {self.port} 127.0.0.1\nallow_anonymous true\n"
        settings.write_text(f"{listener}persistence false\nlog_type none\n", "utf-8")
        self._command = [program, "-c", str(settings)]

    def __enter__(self) -> "Broker":
        self._process = subprocess.Popen(self._command)
        end = time.monotonic() + PATIENCE_S
        while not self._listens():
            assert self._process.poll() is None, "mosquitto ended"
            assert time.monotonic() < end, "mosquitto does not listen"
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()

    def _listens(self) -> bool:
        with socket.socket() as attempt:
            return attempt.connect_ex(("127.0.0.1", self.port)) == 0
