"""`vedette fleet`: one page for all devices of a broker."""

import click

from vedette_edge.cli.mqtt_options import listener_options
from vedette_edge.cli.options import collect_options, parse_each
from vedette_edge.cli.page import access_options
from vedette_edge.click_types import usage_errors
from vedette_edge.console import cli_session, show_log
from vedette_edge.errors import SettingError
from vedette_edge.fleet.config import LOOPBACK, PORT, FleetConfig, parse_fleet_address
from vedette_edge.mqtt.config import MqttSettings, build_config
from vedette_edge.page.config import Address

EXAMPLES = """\b
Examples:
  vedette fleet --mqtt mqtt://broker.local
  vedette fleet --mqtt mqtt://fleet@broker.local --mqtt-password-file secret
  vedette fleet --mqtt mqtts://fleet@broker.local --mqtt-password-file secret --mqtt-ca ca.pem
  vedette fleet --mqtt mqtt://broker.local --bind 0.0.0.0:8471 --token-file token
"""


def _parse_bind(
    context: click.Context, option: click.Parameter, texts: tuple[str, ...]
) -> tuple[Address, ...]:
    return parse_each(parse_fleet_address, texts)


@click.command("fleet", epilog=EXAMPLES)
@listener_options
@click.option(
    "--bind",
    "addresses",
    multiple=True,
    metavar="ADDRESS:PORT",
    callback=_parse_bind,
    show_default=f"{PORT} on this machine alone",
    help="Address to serve the page on.",
)
@collect_options("config", FleetConfig, *access_options)
def fleet(mqtt: MqttSettings, addresses: tuple[Address, ...], config: FleetConfig) -> None:
    """Show all devices of an MQTT broker on one page, those in trouble first.

    It only listens: it publishes nothing. The page is for this machine alone, unless --bind says
    otherwise; then it needs a token.
    """
    with usage_errors():
        broker = build_config(mqtt)
    if not broker:
        raise click.UsageError("no broker: set --mqtt URL, such as mqtt://broker.local")
    with cli_session() as terminal, show_log(terminal.err, "vedette_edge", "uvicorn.error"):
        try:
            from vedette_edge.fleet.run import run_fleet  # starlette and uvicorn are an extra
            from vedette_edge.page.server import list_addresses, open_sockets  # the same
        except ImportError as error:
            advice = "pip install 'vedette-edge[mqtt,page]'"
            raise SettingError(f"the page needs starlette and uvicorn: {advice}") from error
        with open_sockets(addresses, LOOPBACK) as sockets:
            for address in list_addresses(sockets):
                terminal.err.print(f"http://{address}/")
            run_fleet(broker, config, sockets)
