"""A Home Assistant in one process, which obeys lines of JSON on its input.

    python hub.py FOLDER BROKER_PORT HTTP_PORT

The first line that it prints tells that it runs. Then it answers each line, an object with a
`command`, with one of its own: `result`, or `error`. It ends with its input. It runs where Home
Assistant is installed, so it uses nothing of the tests.
"""

import asyncio
import base64
import gc
import hashlib
import json
import logging
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from homeassistant import bootstrap, config_entries, core, runner
from homeassistant.components import image
from homeassistant.components.automation.config import AUTOMATION_BLUEPRINT_SCHEMA
from homeassistant.components.blueprint.models import Blueprint, BlueprintInputs
from homeassistant.const import EVENT_STATE_CHANGED, MAJOR_VERSION, MINOR_VERSION, __version__
from homeassistant.helpers import device_registry, entity_registry
from homeassistant.util.yaml import parse_yaml

LONGEST_LINE = 1 << 20
# Home Assistant waits so many seconds after an entity is enabled, and then reloads MQTT.
config_entries.RELOAD_AFTER_UPDATE_DELAY = 0.1

Answer = list[Any] | dict[str, Any] | None


class Warnings(logging.Handler):
    """Keeps what is logged at the level of warnings and above."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.levelname} {record.name}: {self.format(record)}")


class Hub:
    """What the commands act on."""

    def __init__(self, hass: core.HomeAssistant, warnings: Warnings) -> None:
        self.hass, self.warnings = hass, warnings
        self.changes: list[dict[str, Any]] = []
        self.notices: list[dict[str, Any]] = []
        hass.bus.async_listen(EVENT_STATE_CHANGED, self._note)

    async def _note(self, event: core.Event[Any]) -> None:
        """Note a change, and which picture its device shows at this moment."""
        at = time.time()
        entity_id, state = event.data["entity_id"], event.data["new_state"]
        entry = entity_registry.async_get(self.hass).async_get(entity_id)
        if entry is None or state is None or entry.platform != "mqtt":
            return
        picture = await self._picture_of(entry.device_id)
        self.changes.append(
            {
                "at": at,
                "unique_id": entry.unique_id,
                "state": state.state,
                "attributes": dict(state.attributes),
                "picture": hashlib.sha256(picture).hexdigest() if picture else "",
            }
        )

    async def keep_notice(self, call: core.ServiceCall) -> None:
        """Keep what a phone is sent, with the picture that it fetches then."""
        entity_id = call.data["data"]["image"].removeprefix("/api/image_proxy/")
        picture = await image.async_get_image(self.hass, entity_id)
        content = base64.b64encode(picture.content).decode()
        self.notices.append({**call.data, "picture": content})

    async def _picture_of(self, device_id: str | None) -> bytes | None:
        component = self.hass.data.get("image")
        for entry in entity_registry.async_get(self.hass).entities.values():
            if entry.domain == "image" and entry.device_id == device_id and component:
                entity = component.get_entity(entry.entity_id)
                return await entity.async_image() if entity else None
        return None


async def list_entities(hub: Hub, _: dict[str, Any]) -> list[dict[str, Any]]:
    """All entities that came by MQTT."""
    devices = device_registry.async_get(hub.hass)
    listed = []
    for entry in entity_registry.async_get(hub.hass).entities.values():
        if entry.platform == "mqtt":
            state = hub.hass.states.get(entry.entity_id)
            device = devices.async_get(entry.device_id) if entry.device_id else None
            listed.append(
                {
                    "entity_id": entry.entity_id,
                    "unique_id": entry.unique_id,
                    "disabled_by": entry.disabled_by,
                    "state": state.state if state else None,
                    "attributes": dict(state.attributes) if state else {},
                    "device": device.name if device else None,
                }
            )
    return listed


async def enable_all(hub: Hub, _: dict[str, Any]) -> None:
    """Enable each entity that is disabled; Home Assistant then reloads MQTT by itself."""
    registry = entity_registry.async_get(hub.hass)
    for entry in list(registry.entities.values()):
        if entry.platform == "mqtt" and entry.disabled_by:
            registry.async_update_entity(entry.entity_id, disabled_by=None)


async def call_service(hub: Hub, request: dict[str, Any]) -> None:
    """Call a service, as a person's tap on the entity does."""
    await hub.hass.services.async_call(
        request["domain"], request["service"], request["data"], blocking=True
    )


async def fetch_image(hub: Hub, request: dict[str, Any]) -> dict[str, Any]:
    """The picture that an image entity shows."""
    picture = await image.async_get_image(hub.hass, request["entity_id"])
    content = base64.b64encode(picture.content).decode()
    return {"content_type": picture.content_type, "content": content}


async def take_warnings(hub: Hub, _: dict[str, Any]) -> list[str]:
    """The warnings since the last call."""
    await hub.hass.async_block_till_done()
    gc.collect()  # asyncio logs that a task failed once nothing refers to it
    taken, hub.warnings.lines = hub.warnings.lines, []
    return taken


async def take_changes(hub: Hub, _: dict[str, Any]) -> list[dict[str, Any]]:
    """The changes of MQTT's entities since the last call."""
    taken, hub.changes = hub.changes, []
    return taken


async def add_automations(hub: Hub, request: dict[str, Any]) -> None:
    """Run an automation, and a blueprint; both notify the phone of a service."""
    automation = parse_yaml(request["automation"])
    blueprint = Blueprint(
        parse_yaml(request["blueprint"]),
        expected_domain="automation",
        schema=AUTOMATION_BLUEPRINT_SCHEMA,
    )
    assert not blueprint.validate(), blueprint.validate()
    inputs = BlueprintInputs(
        blueprint, {"use_blueprint": {"path": "test.yaml", "input": request["inputs"]}}
    )
    inputs.validate()
    filled = inputs.async_substitute()
    # What the action of a phone's device does.
    content = {key: filled["actions"][-1][key] for key in ("title", "message", "data")}
    filled["actions"][-1] = {"action": request["service"], "data": content}
    domain, _, name = request["service"].partition(".")
    hub.hass.services.async_register(domain, name, hub.keep_notice)
    automations = [automation, {"alias": "Blueprint", **filled}]
    configuration = Path(hub.hass.config.path("configuration.yaml"))
    with configuration.open("a", encoding="utf-8") as file:
        file.write(f"automation: {json.dumps(automations)}\n")  # JSON is YAML, too
    await hub.hass.services.async_call("automation", "reload", blocking=True)


async def take_notices(hub: Hub, _: dict[str, Any]) -> list[dict[str, Any]]:
    """What a phone was sent since the last call."""
    taken, hub.notices = hub.notices, []
    return taken


COMMANDS: dict[str, Callable[[Hub, dict[str, Any]], Awaitable[Answer]]] = {
    "list_entities": list_entities,
    "enable_all": enable_all,
    "call_service": call_service,
    "fetch_image": fetch_image,
    "take_warnings": take_warnings,
    "take_changes": take_changes,
    "add_automations": add_automations,
    "take_notices": take_notices,
}


async def start(folder: Path, http_port: int) -> core.HomeAssistant:
    """Start Home Assistant with its defaults alone; its page is for this machine."""
    folder.mkdir(parents=True, exist_ok=True)
    http = f"http:\n  server_host: 127.0.0.1\n  server_port: {http_port}\n"
    (folder / "configuration.yaml").write_text(http, "utf-8")
    settings = runner.RuntimeConfig(config_dir=str(folder), skip_pip=True)
    hass = await bootstrap.async_setup_hass(settings)
    assert hass is not None
    await hass.async_start()
    assert hass.state is core.CoreState.running
    assert not hass.config.recovery_mode
    return hass


async def add_broker(hass: core.HomeAssistant, port: int) -> None:
    """Add the integration MQTT as its dialogue does, unless it is there from an earlier start."""
    if hass.config_entries.async_entries("mqtt"):
        return
    answers: dict[str, Any] = {"broker": "127.0.0.1", "port": port}
    if (MAJOR_VERSION, MINOR_VERSION) >= (2026, 4):
        other = {"set_client_cert": False, "set_ca_cert": "off", "transport": "tcp"}
        answers |= {"protocol": "5", "other_settings": other}
    flows = hass.config_entries.flow
    form = await flows.async_init("mqtt", context={"source": "user"})
    result = await flows.async_configure(form["flow_id"], answers)
    assert result["type"] == "create_entry", result
    await hass.async_block_till_done()


async def obey(hub: Hub) -> None:
    """Answer each line of the input."""
    lines = asyncio.StreamReader(limit=LONGEST_LINE)
    protocol = asyncio.StreamReaderProtocol(lines)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    while line := await lines.readline():
        request = json.loads(line)
        answer: dict[str, Any]
        try:
            answer = {"result": await COMMANDS[request["command"]](hub, request)}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        tell(answer)


def tell(answer: dict[str, Any]) -> None:
    """Print a line."""
    sys.stdout.write(json.dumps(answer, default=str) + "\n")
    sys.stdout.flush()


async def main(folder: Path, broker_port: int, http_port: int) -> None:
    """Start, answer, and stop."""
    warnings = Warnings()
    logging.getLogger().addHandler(warnings)
    hass = await start(folder, http_port)
    hub = Hub(hass, warnings)
    await add_broker(hass, broker_port)
    memory_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tell({"result": {"version": __version__, "memory_mb": memory_kb // 1024}})
    await obey(hub)
    await hass.async_stop()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
