"""Reasons why a broker cannot be used: each names what helps."""

import subprocess
from pathlib import Path

import pytest
from tests.edge.conftest import needs_openssl
from tests.edge.mosquitto import StartBroker, make_config
from tests.edge.sinks.webhook_servers import serve_raw

from vedette_edge.errors import BrokerError
from vedette_edge.mqtt.config import Broker
from vedette_edge.mqtt.connection import Connection

CA = """
[ca]
default_ca = own
[own]
database = index
serial = serial
new_certs_dir = .
default_md = sha256
policy = names
x509_extensions = extensions
[names]
commonName = supplied
[extensions]
subjectAltName = {names}
"""
LOCAL = "DNS:localhost,IP:127.0.0.1"


def create_certificate(folder: Path, names: str, begin: int, end: int) -> tuple[Path, Path]:
    """Create a certificate that signs itself, valid between two years, and its key."""
    (folder / "ca.cnf").write_text(CA.format(names=names))
    (folder / "index").touch()
    (folder / "serial").write_text("01")
    request = "openssl req -new -newkey rsa:2048 -nodes -subj /CN=test -keyout key -out request"
    sign = "openssl ca -batch -config ca.cnf -selfsign -keyfile key -in request -out certificate"
    dates = f" -startdate {begin}0101000000Z -enddate {end}0101000000Z"
    for command in (request, sign + dates):
        subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    return folder / "certificate", folder / "key"


def connect(port: int, *, tls: bool, ca_file: Path | str = "") -> None:
    broker = Broker("127.0.0.1", port, tls)
    config = make_config(port, broker=broker, ca_file=str(ca_file))
    connection = Connection(config, "test", print)
    connection.open()
    while not connection.accepted:
        connection.step(1.0)


@needs_openssl
@pytest.mark.parametrize(
    ("names", "begin", "end", "fix"),
    [
        (LOCAL, 2020, 2021, "expired.*; renew the broker's certificate, or set this machine's"),
        (LOCAL, 2090, 2091, "not yet valid.*; set this machine's clock"),
        ("DNS:other.example", 2020, 2090, "127.0.0.1.*; use a host name that the certificate"),
    ],
)
def test_what_helps_depends_on_the_certificate(
    start_broker: StartBroker, tmp_path: Path, names: str, begin: int, end: int, fix: str
) -> None:
    file, key = create_certificate(tmp_path, names, begin, end)
    broker = start_broker(f"certfile {file}\nkeyfile {key}\nuser root")
    with pytest.raises(BrokerError, match=f"its certificate is not trusted .*{fix}"):
        connect(broker.port, tls=True, ca_file=file)


@needs_openssl
def test_a_port_for_tls_is_suspected_where_a_connection_ends_at_once(
    start_broker: StartBroker, certificate: tuple[Path, Path]
) -> None:
    file, key = certificate
    broker = start_broker(f"certfile {file}\nkeyfile {key}\nuser root")
    with pytest.raises(BrokerError, match="port for TLS, use mqtts://"):
        connect(broker.port, tls=False)
    connect(broker.port, tls=True, ca_file=file)


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"HTTP", b"SSH-2.0-x\r\n"])
def test_another_server_in_place_of_a_broker_is_no_broker(answer: bytes) -> None:
    with (
        serve_raw(lambda connection: connection.sendall(answer)) as server,
        pytest.raises(BrokerError, match="not MQTT; is it a broker"),
    ):
        connect(int(server.rpartition(":")[2]), tls=False)
