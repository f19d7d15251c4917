"""`vedette fleet`: one page for all devices of a broker."""

import click

from vedette_edge.cli.mqtt_options import listener_options
from vedette_edge.cli.show_log import show_log
from vedette_edge.cli.web_options import advise_extras, bind_option, web_options
from vedette_edge.click_types import usage_errors
from vedette_edge.console import cli_session
from vedette_edge.mqtt.config import MqttSettings, build_config
from vedette_edge.web.config import Address, WebConfig

PORT = 8471
EXAMPLES = """\b
Examples:
  vedette fleet --mqtt mqtt://broker.local
  vedette fleet --mqtt mqtt://fleet@broker.local --mqtt-password-file secret
  vedette fleet --mqtt mqtts://fleet@broker.local --mqtt-password-file secret --mqtt-ca ca.pem
  vedette fleet --mqtt mqtt://broker.local --bind 0.0.0.0:8471 --token-file token
"""


@click.command("fleet", epilog=EXAMPLES)
@listener_options
@bind_option(PORT)
@web_options
def fleet(mqtt: MqttSettings, addresses: tuple[Address, ...], web: WebConfig) -> None:
    """Show all devices of an MQTT broker on one page, those in trouble first.

    It only listens: it publishes nothing. The page is for this machine alone, unless --bind says
    otherwise; then it needs a token.
    """
    with usage_errors():
        broker = build_config(mqtt)
    if not broker:
        raise click.UsageError("no broker: set --mqtt URL, such as mqtt://broker.local")
    with cli_session() as terminal, show_log(terminal.err, "vedette_edge", "uvicorn.error"):
        with advise_extras("mqtt,page"):
            from vedette_edge.fleet.run import run_fleet  # starlette and uvicorn are an extra
            from vedette_edge.web.server import open_sockets  # the same
        with open_sockets(addresses, PORT) as sockets:
            run_fleet(broker, web, sockets)
