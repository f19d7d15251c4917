"""Addresses of webhooks, which hold secrets."""

import base64

import pytest

from vedette_edge.errors import SettingError
from vedette_edge.sinks.webhook_address import PORTS, parse_webhook

SECRET = "hunter2"


def test_an_address_has_parts_for_a_request() -> None:
    address = parse_webhook("http://127.0.0.1:8123/api/webhook/fox?a=1&b=%20#top")
    assert (address.scheme, address.host, address.port) == ("http", "127.0.0.1", 8123)
    assert address.target == "/api/webhook/fox?a=1&b=%20"
    assert address.authorization == ""


@pytest.mark.parametrize("scheme", PORTS)
def test_without_port_and_path_they_are_the_usual_ones(scheme: str) -> None:
    address = parse_webhook(f"{scheme}://host.example")
    assert (address.port, address.target) == (PORTS[scheme], "/")


def test_an_address_of_ipv6_and_one_in_another_alphabet_are_valid() -> None:
    assert parse_webhook("https://[::1]:99/x").host == "::1"
    address = parse_webhook("https://bücher.example/füchse und hühner")
    assert address.host == "xn--bcher-kva.example"
    assert address.target == "/f%C3%BCchse%20und%20h%C3%BChner"


def test_user_and_password_become_basic_authentication() -> None:
    address = parse_webhook("http://me%40home:p%C3%A4ss:w%2Ford@host/")
    scheme, _, code = address.authorization.partition(" ")
    assert scheme == "Basic"
    assert base64.b64decode(code).decode() == "me@home:päss:w/ord"
    assert address.host == "host"


def test_what_is_printed_of_an_address_hides_its_secrets() -> None:
    address = parse_webhook(f"http://{SECRET}:{SECRET}@host/{SECRET}?{SECRET}")
    assert SECRET not in repr(address)
    assert base64.b64encode(f"{SECRET}:{SECRET}".encode()).decode() not in repr(address)


@pytest.mark.parametrize(
    "url",
    [
        "",
        SECRET,
        f"host/{SECRET}",
        f"localhost:8123/{SECRET}",
        f"ftp://host/{SECRET}",
        f"file:///etc/{SECRET}",
        f"http:///{SECRET}",
        f"http://:80/{SECRET}",
        f"http://host:0/{SECRET}",
        f"http://host:99999/{SECRET}",
        f"http://host:port/{SECRET}",
        f"http://[::1/{SECRET}",
        f"http://ho st/{SECRET}",
        f"http://ho<b>st/{SECRET}",
        f"http://..{'x' * 64}/{SECRET}",
        f"http://host/{SECRET}\r\nX-Injected: 1",
        f"http://host/\0{SECRET}",
        f"http://user:{SECRET}\n@host/",
        f"http://host/{SECRET}\udcff",
        f"http://host/{SECRET}{'x' * 2000}",
        f"http://user:{SECRET}@@/",
    ],
)
def test_what_is_no_address_is_refused_without_its_secrets(url: str) -> None:
    with pytest.raises(SettingError) as caught:
        parse_webhook(url)
    assert SECRET not in str(caught.value)
    assert str(caught.value).isprintable()


def test_an_address_of_the_greatest_length_is_valid() -> None:
    assert len(parse_webhook("http://host/".ljust(2000, "x")).target) == 2000 - len("http://host")
