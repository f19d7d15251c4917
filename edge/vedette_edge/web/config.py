"""The configuration of a page: addresses, token, origins. Imports neither starlette nor numpy."""

import ipaddress
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from vedette_edge.errors import SettingError
from vedette_edge.files import read_bounded

LEAST_TOKEN = 16  # characters
MOST_TOKEN_BYTES = 1000
MAKE_TOKEN = "make one, then name it with --token-file: (umask 077; openssl rand -hex 16 > token)"


@dataclass(frozen=True, slots=True)
class Address:
    """An address to listen on."""

    host: str  # an IP address
    port: int

    @property
    def is_local(self) -> bool:
        """True if only this machine can reach it."""
        return is_loopback(self.host)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def is_loopback(host: str) -> bool:
    """True for an address of this machine alone, also an IPv4 one that is written as IPv6."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


@dataclass(frozen=True, slots=True)
class WebConfig:
    """Settings of a page: its token, further names, and its end."""

    token_file: Path | None = None
    hosts: Sequence[str] = ()  # further names under which the page is reached
    framers: Sequence[str] = ()  # origins whose pages may show this one in a frame
    idle_s: float = 0.0  # after which it ends if nobody looks; 0: never


def parse_address(text: str, port: int) -> Address:
    """Parse ADDRESS:PORT, ADDRESS or PORT; `port` is the usual one. Raises SettingError."""
    try:
        if text.isdigit():
            return Address("127.0.0.1", _check_port(int(text)))
        parts = urlsplit(f"//{text}")
        host = "127.0.0.1" if parts.hostname == "localhost" else parts.hostname or ""
        ipaddress.ip_address(host)
        return Address(host, _check_port(port if parts.port is None else parts.port))
    except ValueError as error:
        expected = f"an address and a port, such as 0.0.0.0:{port} or [::]:{port}"
        raise SettingError(f"{text!r} is not valid; expected {expected}") from error


def _check_port(port: int) -> int:
    if not 0 <= port <= 65535:
        raise ValueError
    return port


def parse_origin(text: str) -> str:
    """Parse the origin of a page, such as https://homeassistant.local:8123. Raises SettingError."""
    parts = urlsplit(text)
    is_clean = not set(text) & set(" ;,'\"") and parts.path in ("", "/")
    if parts.scheme not in ("http", "https") or not parts.netloc or not is_clean:
        raise SettingError(f"{text!r} is not valid; expected an origin, such as http://hub:8123")
    return text.rstrip("/")


def read_token(path: Path) -> str:
    """Read the token. Raises SettingError if the file has none, or one that is easy to guess."""
    try:
        token = read_bounded(path, MOST_TOKEN_BYTES).decode("ascii").strip()
        is_public = bool(path.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH))
    except OSError as error:
        raise SettingError(f"{path}: {error.strerror or error}; {MAKE_TOKEN}") from error
    except UnicodeError as error:
        raise SettingError(f"{path}: not a token; {MAKE_TOKEN}") from error
    if len(token) < LEAST_TOKEN or any(letter.isspace() for letter in token):
        expected = f"expected one word of {LEAST_TOKEN} characters or more"
        raise SettingError(f"{path}: {expected}; {MAKE_TOKEN}")
    if is_public:
        raise SettingError(f"{path}: every user of this machine can read it; chmod 600 {path}")
    return token


def check_exposure(addresses: Sequence[Address], token: str | None) -> None:
    """Raise SettingError if other machines can reach the page, and there is no token."""
    exposed = [address for address in addresses if not address.is_local]
    if exposed and not token:
        raise SettingError(
            f"{exposed[0]}: other machines can reach it, so the page needs a token; {MAKE_TOKEN}"
        )
