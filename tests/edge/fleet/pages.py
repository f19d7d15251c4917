"""The page of a fleet, served by a real `vedette fleet`."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TIMEOUT_S = 30.0
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class FleetPage:
    """A page that is served."""

    def __init__(self, process: "subprocess.Popen[str]", url: str, log: Path) -> None:
        self.process, self.url, self.log = process, url, log

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
        """Get an address: the code and the body of the answer."""
        request = urllib.request.Request(self.url + path, headers=dict(headers or {}))
        try:
            with _OPENER.open(request, timeout=TIMEOUT_S) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def read(self) -> dict[str, Any]:
        """Read the fleet as JSON."""
        return dict(json.loads(self.get("/api/fleet")[1]))

    def devices(self) -> dict[str, dict[str, Any]]:
        """Read the devices by id, in the order of the page."""
        return {device["id"]: device for device in self.read()["devices"]}

    def kinds(self, device_id: str) -> list[str] | None:
        """The kinds of a device's problems; None if there is no such device."""
        device = self.devices().get(device_id)
        return [one["kind"] for one in device["problems"]] if device else None

    def wait(self, condition: Callable[[dict[str, dict[str, Any]]], object]) -> None:
        """Wait until the devices are as they should be; one may not be there at first."""
        limit_s = time.monotonic() + TIMEOUT_S
        while not self._holds(condition):
            if time.monotonic() > limit_s:
                raise AssertionError((self.log.read_text("utf-8"), str(self.read())[:1000]))
            time.sleep(0.02)

    def _holds(self, condition: Callable[[dict[str, dict[str, Any]]], object]) -> bool:
        try:
            return bool(condition(self.devices()))
        except LookupError:
            return False


@contextmanager
def serve_fleet(folder: Path, port: int, *flags: str) -> Iterator[FleetPage]:
    """Serve the fleet of a broker on loopback, on a free port."""
    command = [sys.executable, "-m", "vedette_edge", "fleet", "--bind", "127.0.0.1:0"]
    broker = [] if "--mqtt" in flags else ["--mqtt", f"mqtt://127.0.0.1:{port}"]
    log = folder / f"fleet-{time.monotonic_ns()}.log"
    with log.open("wb") as err:
        process = subprocess.Popen(
            [*command, *broker, *flags], stderr=err, text=True, env=os.environ
        )
    try:
        yield FleetPage(process, _wait_for_url(process, log), log)
    finally:
        process.kill()
        process.wait()


def _wait_for_url(process: "subprocess.Popen[str]", log: Path) -> str:
    limit_s = time.monotonic() + TIMEOUT_S
    while not (match := re.search(r"(http://\S+)/\n", log.read_text("utf-8"))):
        assert process.poll() is None, log.read_text("utf-8")
        assert time.monotonic() < limit_s
        time.sleep(0.02)
    return match[1]
