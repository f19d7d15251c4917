"""The configuration of the page of a fleet. Imports neither starlette, paho-mqtt nor numpy."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vedette_edge.page.config import Address, parse_address

PORT = 8471
LOOPBACK = (Address("127.0.0.1", PORT), Address("::1", PORT))


@dataclass(frozen=True, slots=True)
class FleetConfig:
    """Settings of the page."""

    token_file: Path | None = None
    hosts: Sequence[str] = ()  # further names under which the page is reached
    framers: Sequence[str] = ()  # origins whose pages may show this one in a frame
    idle_s: float = 0.0  # after which it ends if nobody looks; 0: never


def parse_fleet_address(text: str) -> Address:
    """Parse ADDRESS:PORT, ADDRESS or PORT. Raises SettingError."""
    return parse_address(text, PORT)
