"""Requests to servers that do what they should not, and to encrypted ones."""

import socket
import ssl
import subprocess
import time
from pathlib import Path

import pytest
from tests.edge.conftest import needs_openssl
from tests.edge.sinks.webhook_servers import Behave, receive, serve_raw

from vedette_edge.sinks.http_client import HttpClient
from vedette_edge.sinks.webhook_address import parse_webhook

LIMIT_S = 0.3
OK = b"HTTP/1.1 200 OK\r\n"


def post(url: str, body: bytes = b"{}", limit_s: float = LIMIT_S) -> int:
    return HttpClient(limit_s).post(parse_webhook(url), {}, body).status


def say_nothing(connection: socket.socket) -> None:
    while connection.recv(1 << 16):
        pass


def read_nothing(connection: socket.socket) -> None:
    time.sleep(20 * LIMIT_S)


def drip_headers(connection: socket.socket) -> None:
    connection.sendall(OK + b"X: ")
    while True:
        connection.sendall(b"x")
        time.sleep(0.02)


def drip_continues(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        time.sleep(0.02)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("behave", [say_nothing, read_nothing, drip_headers, drip_continues])
def test_a_request_ends_at_its_limit_whatever_the_server_does(behave: Behave, scheme: str) -> None:
    with serve_raw(behave) as server:
        begin_s = time.monotonic()
        with pytest.raises(
            OSError, match=r"\w"
        ) as caught:  # https fails at once where bytes are no TLS
            post(f"{scheme}://{server}/", bytes(10_000_000))
        assert time.monotonic() - begin_s < 20 * LIMIT_S
        if scheme == "http" or behave in (say_nothing, read_nothing):
            assert str(caught.value) == "no answer within 0.3 s"


def test_a_connection_that_nobody_accepts_ends_at_the_limit() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        place = listener.getsockname()
        fillers = [socket.socket() for _ in range(5)]
        for filler in fillers:  # the queue is full: the system ignores further ones
            filler.setblocking(False)
            filler.connect_ex(place)
        with pytest.raises(TimeoutError, match="no answer within"):
            post(f"http://127.0.0.1:{place[1]}/")
        for filler in fillers:
            filler.close()


def answer_for_ever(connection: socket.socket) -> None:
    connection.recv(1 << 16)
    connection.sendall(OK + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"10000\r\n" + bytes(1 << 16) + b"\r\n")


def announce_terabytes(connection: socket.socket) -> None:
    connection.recv(1 << 16)
    connection.sendall(OK + b"Content-Length: 1000000000000\r\n\r\n")
    connection.recv(1)


@pytest.mark.parametrize("behave", [answer_for_ever, announce_terabytes])
def test_an_answer_that_never_ends_is_one_all_the_same(behave: Behave) -> None:
    with serve_raw(behave) as server:
        assert post(f"http://{server}/", limit_s=60) == 200


def close_at_once(connection: socket.socket) -> None:
    connection.recv(1)


def close_within_headers(connection: socket.socket) -> None:
    request = b""
    while not request.endswith(b"{}"):  # a close before that would reset the connection
        request += connection.recv(1 << 16)
    connection.sendall(OK + b"Content-Le")


def test_a_status_counts_even_if_the_connection_breaks_off_behind_it() -> None:
    with serve_raw(close_within_headers) as server:
        assert post(f"http://{server}/", limit_s=60) == 200


def close_within_the_status(connection: socket.socket) -> None:
    connection.recv(1 << 16)
    connection.sendall(b"HTTP/1.1 2")


def send_garbage(connection: socket.socket) -> None:
    connection.recv(1 << 16)
    connection.sendall(b"\xff\0\x1b[31m SSH-2.0-OpenSSH\r\n\r\n")


def send_many_headers(connection: socket.socket) -> None:
    connection.recv(1 << 16)
    connection.sendall(OK + b"X: y\r\n" * 10_000 + b"\r\n")
    connection.recv(1)


def send_a_long_line(connection: socket.socket) -> None:
    connection.recv(1 << 16)
    connection.sendall(OK + b"X" * 10_000_000)


@pytest.mark.parametrize(
    "behave",
    [close_at_once, close_within_the_status, send_garbage, send_many_headers, send_a_long_line],
)
def test_what_is_no_answer_is_an_error_of_harmless_text(behave: Behave) -> None:
    with serve_raw(behave) as server, pytest.raises(OSError, match=r"\w") as caught:
        post(f"http://{server}/", limit_s=60)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


def test_a_server_that_is_not_there_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(OSError, match="Connection refused"):
        post(f"http://127.0.0.1:{port}/")
    with pytest.raises(OSError, match=r"\w"):
        post(f"http://{'.'.join(5 * ['x' * 60])}/", limit_s=60)  # too long to have an address


def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    with receive() as target, receive(307) as receiver:
        receiver.location = f"{target.address}/x"
        answer = HttpClient(60).post(parse_webhook(receiver.address), {}, b"{}")
    assert answer == (307, f"{target.address}/x")
    assert not target.requests


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A self-signed certificate for 127.0.0.1, with its key in the same file."""
    files = ("-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "certificate"))
    names = ("-subj", "/CN=receiver", "-addext", "subjectAltName=IP:127.0.0.1")
    use = ("-addext", "keyUsage=critical,digitalSignature,keyCertSign")  # Python 3.13 requires one
    new = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-batch")
    subprocess.run([*new, *names, *use, *files], check=True, capture_output=True)
    both = tmp_path / "both.pem"
    both.write_bytes((tmp_path / "key").read_bytes() + (tmp_path / "certificate").read_bytes())
    return both


@needs_openssl
def test_an_encrypted_server_is_trusted_with_the_system_s_certificates_alone(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    received = []

    def behave(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as encrypted:
            received.append(encrypted.recv(1 << 16))
            encrypted.sendall(OK + b"Content-Length: 0\r\n\r\n")
            encrypted.recv(1)

    def drip(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as encrypted:
            drip_headers(encrypted)

    with serve_raw(behave) as server:
        with pytest.raises(OSError, match="certificate is not trusted"):
            post(f"https://{server}/", limit_s=60)
        assert received == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))  # as the system's, OpenSSL takes this
        assert post(f"https://{server}/secret", limit_s=60) == 200
        assert received[0].startswith(b"POST /secret HTTP/1.1\r\n")
        with pytest.raises(OSError, match="not trusted"):  # for another host
            post(f"https://{server.replace('127.0.0.1', 'localhost')}/", limit_s=60)
    with serve_raw(drip) as server, pytest.raises(TimeoutError, match="no answer within"):
        post(f"https://{server}/")
