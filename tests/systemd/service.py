"""A service of the machine: the unit of the repository, its settings and its log."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.systemd.machine import SETTINGS, UNIT, UNITS, Machine, wait_until

CAMERA = "http://127.0.0.1:8000/stream"


class Service:
    """The service vedette, or a copy of its unit under another name with settings of its own."""

    def __init__(self, machine: Machine, name: str = "vedette", unit: Path = UNIT) -> None:
        self._machine, self.name = machine, name
        self.settings = f"{SETTINGS}/{'config' if name == 'vedette' else name}.toml"
        self.log = f"/var/log/{name}/watch.jsonl"
        machine.write(f"{UNITS}/{name}.service", unit.read_bytes())
        own = f"LogsDirectory=\nLogsDirectory={name}\nLogsDirectoryMode=0750\nExecStart=\n"
        own += f"ExecStart=/opt/vedette/current/bin/vedette run --config {self.settings}\n"
        self.change_unit("name", own if name != "vedette" else "")

    def change_unit(self, drop_in: str, lines: str) -> None:
        """Write a drop-in with these lines of [Service]."""
        path = f"{UNITS}/{self.name}.service.d/{drop_in}.conf"
        self._machine.write(path, f"[Service]\n{lines}")

    def configure(self, **settings: object) -> None:
        """Write the configuration."""
        usual: dict[str, object] = {
            "model": f"{SETTINGS}/model.tflite",
            "camera": CAMERA,
            "log": self.log,
        }
        usual |= {"log-flush": 0.2, "smoothing": 0.0, "heartbeat": 0.0}
        lines = (f"{key} = {json.dumps(value)}\n" for key, value in (usual | settings).items())
        self._machine.write(self.settings, "".join(lines))

    def control(self, *words: str) -> str:
        """Call systemctl for the service, e.g. with start; return its output."""
        return self._machine.require("systemctl", *words, self.name)

    def show(self, name: str) -> str:
        """Read a property of the unit."""
        return self.control("show", "--value", f"--property={name}").strip()

    def records(self, *events: str) -> list[dict[str, Any]]:
        """Read the records in its log, of these events or of all."""
        path = self._machine.path(self.log)
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        return [one for one in map(json.loads, lines) if not events or one["event"] in events]

    def wait(self, event: str, times: int = 1) -> Mapping[str, Any]:
        """Wait for the given number of records of an event in its log; return the last."""
        wait_until(lambda: len(self.records(event)) >= times, self.explain)
        return self.records(event)[-1]

    def wait_for(self, name: str, value: str) -> None:
        """Wait until a property of the unit contains a value."""
        wait_until(lambda: value in self.show(name), self.explain)

    def wait_for_message(self, words: str) -> None:
        """Wait until the journal contains some words about the unit."""
        wait_until(lambda: words in self.read_journal(), self.explain)

    def kill_capture(self) -> None:
        """Kill all processes but the main one."""
        for pid in self.processes() - {self.show("MainPID")}:
            self._machine.require("kill", "-KILL", pid)

    def processes(self) -> set[str]:
        """List the process IDs of the unit."""
        group = f"/sys/fs/cgroup/system.slice/{self.name}.service/cgroup.procs"
        return set(self._machine.require("cat", group).split())

    def read_output(self) -> list[str]:
        """Read the lines that the program itself has written to the journal."""
        mine = ["--identifier=vedette", f"--unit={self.name}"]
        return self._machine.require("journalctl", "--output=cat", *mine).splitlines()

    def read_journal(self) -> str:
        """Read its messages and its output."""
        return self._machine.require("journalctl", "--output=cat", f"--unit={self.name}")

    def explain(self) -> str:
        """Describe it for the message of a test that fails."""
        state = {name: self.show(name) for name in ("ActiveState", "Result", "StatusText")}
        return f"{state}\n{self.read_journal()}\n{self.records()}"
