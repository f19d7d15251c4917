"""A Node-RED with one flow: each event of each watch is appended to a file, a line each."""

import json
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.install.userland import Userland

PATIENCE_S = 60.0
EVENTS = "/events.jsonl"
SETTINGS = """module.exports = {
    uiHost: "127.0.0.1", uiPort: %d, flowFile: "/flows.json", userDir: "/data",
    telemetry: {enabled: false}, logging: {console: {level: "info"}},
}
"""


def create_flow(broker_port: int) -> list[dict[str, Any]]:
    """The flow, as Node-RED exports it."""
    broker = {"broker": "127.0.0.1", "port": str(broker_port), "clientid": "", "keepalive": "60"}
    return [
        {"id": "flow", "type": "tab", "label": "Vedette"},
        {"id": "broker", "type": "mqtt-broker", "cleansession": True} | broker,
        {
            "id": "in",
            "type": "mqtt in",
            "z": "flow",
            "topic": "vedette/+/event",
            "qos": "1",
            "datatype": "auto-detect",
            "broker": "broker",
            "wires": [["out"]],
        },
        {
            "id": "out",
            "type": "file",
            "z": "flow",
            "filename": EVENTS,
            "filenameType": "str",
            "appendNewline": True,
            "overwriteFile": "false",
            "wires": [[]],
        },
    ]


class NodeRed:
    """A process in a userland that was entered, from its start to its end."""

    def __init__(self, userland: Userland, broker_port: int, http_port: int, log: Path) -> None:
        self._log, self._events = log, userland.path(EVENTS)
        userland.path("/settings.js").write_text(SETTINGS % http_port, "utf-8")
        userland.path("/flows.json").write_text(json.dumps(create_flow(broker_port)), "utf-8")
        red = "/node-red/node_modules/node-red/red.js"
        self._command = [*userland.entered(), "node", red, "--settings", "/settings.js"]

    def __enter__(self) -> "NodeRed":
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=subprocess.STDOUT)
        self._wait_for(self._log, "Connected to broker", 1)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def wait_for_events(self, count: int) -> list[dict[str, Any]]:
        """The events that came, as soon as there are so many."""
        text = self._wait_for(self._events, "\n", count)
        return [json.loads(line) for line in text.splitlines()]

    def _wait_for(self, path: Path, part: str, count: int) -> str:
        """The text of a file, as soon as it has a part so often."""
        end = time.monotonic() + PATIENCE_S
        while (text := path.read_text("utf-8") if path.exists() else "").count(part) < count:
            assert time.monotonic() < end, (text, self._log.read_text("utf-8"))
            time.sleep(0.05)
        return text
