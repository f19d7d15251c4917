"""The options of MQTT, which several commands share; only the watch takes commands.

Imports neither paho-mqtt nor numpy.
"""

from collections.abc import Callable
from pathlib import Path

import click
from click.core import ParameterSource

from vedette_edge.cli.options import collect_options
from vedette_edge.errors import SettingError
from vedette_edge.mqtt.config import (
    MqttSettings,
    check_device_id,
    check_topic,
    has_password,
    parse_broker,
)

_file = click.Path(path_type=Path, dir_okay=False)


def _check(
    check: Callable[[str], object],
) -> Callable[[click.Context, click.Parameter, str | None], str | None]:
    """Build a callback that checks a text; no error shows a broker's URL."""

    def validate(context: click.Context, option: click.Parameter, text: str | None) -> str | None:
        try:
            if text is not None:
                check(text)
        except SettingError as error:
            raise click.BadParameter(str(error)) from error
        return text

    return validate


def _check_broker(context: click.Context, option: click.Parameter, url: str | None) -> str | None:
    """Check the broker's URL. Any user of the machine can read a command line."""
    source = context.get_parameter_source(str(option.name))
    if url and source is ParameterSource.COMMANDLINE and has_password(url):
        raise click.BadParameter(
            "a password would show in the list of processes; leave it out, and put it into a "
            "file for --mqtt-password-file, or into the file of --config"
        )
    return _check(parse_broker)(context, option, url)


_connection = (
    click.option(
        "--mqtt",
        metavar="URL",
        callback=_check_broker,
        help="Broker: mqtt://USER@HOST:PORT, or mqtts:// with TLS.",
    ),
    click.option("--mqtt-password-file", type=_file, help="File with the broker's password."),
    click.option(
        "--mqtt-ca", type=_file, help="PEM file of the broker's certificate, or its authority's."
    ),
)
_id = click.option(
    "--mqtt-id",
    callback=_check(check_device_id),
    show_default="the host name",
    help="Name of this device in topics.",
)
_topics = (
    click.option(
        "--mqtt-topic",
        default="vedette",
        callback=_check(check_topic),
        help="Beginning of all topics.",
    ),
    click.option(
        "--mqtt-prefix",
        default="homeassistant",
        callback=_check(check_topic),
        help="Beginning of Home Assistant's own topics.",
    ),
)
_options = (*_connection, _id, *_topics)
broker_options = collect_options("mqtt", MqttSettings, *_options)
listener_options = collect_options("mqtt", MqttSettings, *_connection, *_topics)
mqtt_options = collect_options(
    "mqtt",
    MqttSettings,
    *_options,
    click.option(
        "--commands/--no-commands",
        default=True,
        help="Take settings that arrive over MQTT, such as from Home Assistant.",
    ),
)
