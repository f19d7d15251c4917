"""The device as Home Assistant shows it."""

import hashlib
import socket
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

MACHINE_ID, MODEL = Path("etc/machine-id"), Path("proc/device-tree/model")
ID_CHARACTERS = 12


@dataclass(frozen=True, slots=True)
class Device:
    """A device, and what it can see."""

    stable_id: str  # the same for ever, whatever name the device gets
    name: str
    hardware: str  # such as Raspberry Pi 4 Model B Rev 1.5; empty if unknown
    version: str  # of Vedette
    labels: tuple[str, ...]
    regions: tuple[str, ...] = ()  # names; none: the whole frame
    heartbeat_s: float = 60.0  # 0: none
    model: str = ""  # name of its file


def describe_device(
    name: str,
    labels: tuple[str, ...],
    regions: tuple[str, ...],
    heartbeat_s: float,
    model: str = "",
) -> Device:
    """Describe this machine. `regions` are names; an empty name stands for the whole frame."""
    return Device(
        stable_id=create_stable_id(),
        name=name,
        hardware=read_hardware(),
        version=metadata.version("vedette-edge"),
        labels=labels,
        regions=tuple(filter(None, regions)),
        heartbeat_s=heartbeat_s,
        model=model,
    )


def create_stable_id(root: Path = Path("/")) -> str:
    """Create an id from the machine's, which it does not reveal; without one, from the host name.

    `root` is the folder in which the system's files lie.
    """
    machine = ""
    with suppress(OSError, UnicodeDecodeError):
        machine = (root / MACHINE_ID).read_text("utf-8").strip()
    if machine in ("", "uninitialized"):
        machine = socket.gethostname()
    return hashlib.sha256(f"{machine}vedette".encode()).hexdigest()[:ID_CHARACTERS]


def read_hardware(root: Path = Path("/")) -> str:
    """Read the name of the machine; empty if it has none."""
    with suppress(OSError, UnicodeDecodeError):
        return (root / MODEL).read_text("utf-8").strip("\0\n ")
    return ""
