"""A Home Assistant as the tests talk to it: it runs hub.py in a system of its own."""

import base64
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Any

from tests.home_assistant.systems import PYTHON
from tests.install.userland import Userland

PATIENCE_S = 30.0  # for what takes a second on an idle computer
START_S = 120.0  # the same for a start
DUE = ("vedette", "door-pi", "door_pi", "mqtt")
NOT_DUE = (
    "MQTT server",  # its connection, like the next one
    "[paho.mqtt.client] failed to receive on socket",  # of a broker that is killed
    # For each entity that is disabled when its device is removed, 2026.2.3 publishes the same
    # removal again, and warns of its own message.
    "No device components to cleanup",
)


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


@dataclass(frozen=True, slots=True)
class Entity:
    """An entity as Home Assistant shows it. One that is disabled has no state."""

    entity_id: str
    unique_id: str
    device: str | None
    disabled_by: str | None
    state: str | None
    attributes: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """A state that Home Assistant took over, and the picture that the device showed just then."""

    at: float  # seconds since the epoch
    unique_id: str
    state: str
    attributes: dict[str, Any]
    picture: str  # SHA-256 of its bytes, or nothing


@dataclass(frozen=True, slots=True)
class Notice:
    """A message to a phone, and the picture that it fetches."""

    title: str
    message: str
    data: dict[str, str]
    picture: bytes  # a JPEG file


class HomeAssistant:
    """A process in a userland that was entered, from its start to its end."""

    def __init__(self, userland: Userland, broker_port: int, http_port: int, log: Path) -> None:
        shutil.copy(Path(__file__).with_name("hub.py"), userland.path("/hub.py"))
        self.log = log
        self._command = [*userland.entered(), PYTHON, "/hub.py", "/config"]
        self._command += [str(broker_port), str(http_port)]

    def restart(self) -> None:
        """Stop Home Assistant, and start it with what it has kept."""
        self.__exit__()
        self.__enter__()

    def __enter__(self) -> "HomeAssistant":
        began = time.monotonic()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )
        self._answers: Queue[str] = Queue()
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            running = self._receive(START_S)
        except AssertionError:
            self.__exit__()
            raise
        self.version, self.memory_mb = running["version"], running["memory_mb"]
        self.started_s = time.monotonic() - began
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        try:
            self._process.wait(PATIENCE_S)
        finally:
            self._process.kill()
            self._process.wait()
            self._reader.join()
            assert self._process.stdout
            self._process.stdout.close()

    def list_entities(self) -> dict[str, Entity]:
        """The entities of MQTT, by unique id."""
        listed = [Entity(**one) for one in self._ask("list_entities")]
        return {entity.unique_id: entity for entity in listed}

    def enable_all(self) -> None:
        """Enable what is disabled. Home Assistant then reloads MQTT."""
        self._ask("enable_all")

    def call_service(self, service: str, entity_id: str, **data: object) -> None:
        """Call e.g. `switch.turn_on` for an entity."""
        domain, _, name = service.partition(".")
        arguments = {"domain": domain, "service": name}
        self._ask("call_service", **arguments, data={"entity_id": entity_id} | data)

    def fetch_image(self, entity_id: str) -> tuple[bytes, str]:
        """The bytes that an image entity shows, and their type."""
        answer = self._ask("fetch_image", entity_id=entity_id)
        return base64.b64decode(answer["content"]), answer["content_type"]

    def take_warnings(self) -> list[str]:
        """The warnings and errors in the log since the last call that may be due to a device."""
        taken: list[str] = self._ask("take_warnings")
        named = [line for line in taken if any(name in line.lower() for name in DUE)]
        return [line for line in named if not any(known in line for known in NOT_DUE)]

    def take_changes(self) -> list[Change]:
        """The changes since the last call."""
        return [Change(**one) for one in self._ask("take_changes")]

    def add_automations(
        self, automation: str, blueprint: str, inputs: dict[str, object], service: str
    ) -> None:
        """Run an automation and a blueprint, YAML texts, that notify a phone by a service."""
        texts = {"automation": automation, "blueprint": blueprint}
        self._ask("add_automations", **texts, inputs=inputs, service=service)

    def take_notices(self) -> list[Notice]:
        """The messages to a phone since the last call."""
        taken = self._ask("take_notices")
        return [Notice(**one | {"picture": base64.b64decode(one["picture"])}) for one in taken]

    def wait(self, condition: Callable[[dict[str, Entity]], bool]) -> dict[str, Entity]:
        """The entities, as soon as they meet a condition."""
        end = time.monotonic() + PATIENCE_S
        while not condition(entities := self.list_entities()):
            assert time.monotonic() < end, (entities, self.take_warnings())
            time.sleep(0.02)
        return entities

    def _ask(self, command: str, **arguments: object) -> Any:
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"command": command, **arguments}) + "\n")
        self._process.stdin.flush()
        return self._receive()

    def _receive(self, patience_s: float = PATIENCE_S) -> Any:
        try:
            line = self._answers.get(timeout=patience_s)
        except Empty:
            line = ""
        assert line, f"no answer: {self.log.read_text('utf-8')[-2000:]}"
        answer = json.loads(line)
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self._answers.put(line)
        self._answers.put("")  # its end
