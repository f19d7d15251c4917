"""`vedette mqtt`: work on the broker that does not need a watch. Imports no numpy."""

import json
from dataclasses import replace
from pathlib import Path

import click

from vedette_edge.cli.mqtt_options import broker_options
from vedette_edge.cli.options import json_option
from vedette_edge.cli.watch_options import config_option
from vedette_edge.click_types import usage_errors
from vedette_edge.console import cli_session
from vedette_edge.mqtt.config import MqttConfig, MqttSettings, add_password, build_config

EXAMPLES = """\b
Examples:
  sudo vedette mqtt remove --config /etc/vedette/config.toml
  vedette mqtt remove --mqtt mqtt://me@broker.local --mqtt-id door-pi
  vedette mqtt remove --mqtt mqtts://me@broker.local --mqtt-password-file secret
"""


@click.group("mqtt", epilog=EXAMPLES)
def mqtt() -> None:
    """Work on what an MQTT broker keeps."""


@mqtt.command("remove", epilog=EXAMPLES)
@config_option
@broker_options
@json_option
def remove(config: Path | None, mqtt: MqttSettings, as_json: bool) -> None:
    """Remove this device from the broker, and so from Home Assistant.

    Stop its watch before. Asks for the password if a user needs one.
    """
    broker = _build_config(mqtt)
    with cli_session() as terminal:
        from vedette_edge.mqtt.removal import remove_device  # imports paho-mqtt

        removal = remove_device(broker)
        if as_json:
            report = {"topics": removal.topics, "was_online": removal.was_online}
            terminal.print_line(json.dumps(report, ensure_ascii=False))
            return
        count = f"{len(removal.topics)} retained topics removed"
        terminal.print_line(f"{broker.device_id}: {count}")
        if not removal.topics:
            text = "Nothing was found: check --mqtt-id, and that this user may read its topics."
            terminal.err.print(text, style="yellow")
        if removal.was_online:
            text = "A watch with this id was online: stop it, or it comes back."
            terminal.err.print(text, style="yellow")


def _build_config(settings: MqttSettings) -> MqttConfig:
    """Build the configuration, with a password that is asked for. Raises click.UsageError."""
    with usage_errors():
        config = build_config(settings)
    if not config:
        raise click.UsageError("no broker: set --mqtt URL, or a --config that names one")
    if config.broker.user and not config.broker.password:
        text = f"Password of {config.broker.user} at {config.broker.name}"
        password = click.prompt(text, hide_input=True, default="", show_default=False, err=True)
        with usage_errors():
            return replace(config, broker=add_password(config.broker, password))
    return config
