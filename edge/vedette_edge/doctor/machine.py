"""The machine itself: its clock, its power, its heat, and what its user may touch."""

import getpass
import grp
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from vedette_edge.doctor import FAULT, OK, WARNING, Finding
from vedette_edge.host.raspberry_pi import Health, read_health

EARLIEST = datetime(2026, 1, 1, tzinfo=UTC)  # before it no Vedette was there to be installed
HOT_C = 80.0  # from here a Pi slows itself down
ASK_S = 10.0  # how long another program may take to answer
UNIT = "vedette.service"
CONTROLLERS = Path("/sys/fs/cgroup/cgroup.controllers")  # what the kernel can limit
SET_CLOCK = "sudo timedatectl set-ntp true  # or, offline, a real-time clock"


def check_machine(source: str) -> Iterator[Finding]:
    """All that can be told of it; what it does not have is passed over.

    A fault is only what keeps the watch from its work: offline no clock is set, and a weak power
    supply is no reason to refuse an upgrade.
    """
    yield clock(
        datetime.now(UTC), _asked("timedatectl", "show", "-p", "NTPSynchronized", "--value")
    )
    yield from power(read_health(), _asked("vcgencmd", "get_throttled"))
    yield from access(source)
    if unit := _asked("systemctl", "cat", UNIT):
        yield service(_asked("systemctl", "is-active", UNIT))
        yield from limits(
            unit, CONTROLLERS.read_text("utf-8") if CONTROLLERS.exists() else "memory"
        )


def clock(now: datetime, synchronised: str) -> Finding:
    """Is it set? `synchronised` is yes, no, or empty where nobody knows."""
    found = f"{now.astimezone():%Y-%m-%d %H:%M %Z}"
    if now < EARLIEST:
        return Finding("clock", WARNING, f"{found}: not set, and so the log is dated", SET_CLOCK)
    if synchronised == "no":
        return Finding("clock", WARNING, f"{found}, not synchronised", SET_CLOCK)
    return Finding("clock", OK, found + ", synchronised" * (synchronised == "yes"))


def power(found: Health, vcgencmd: str) -> Iterator[Finding]:
    """Heat and voltage. `vcgencmd` is what that program says, such as throttled=0x50000."""
    if not (found.now or found.before):
        with suppress(ValueError):
            found = Health.from_throttled(
                found.temperature_c, int(vcgencmd.partition("=")[2] or "0", 16)
            )
    for when, what in (("now", found.now), ("since it started", found.before)):
        if what:
            yield Finding("power", WARNING, f"{', '.join(what)} {when}", _mend_power(what))
    if found.temperature_c is not None:
        hot = found.temperature_c >= HOT_C
        mend = "give it a heat sink or a fan, or watch with --fps 5" if hot else ""
        yield Finding("heat", WARNING if hot else OK, f"{found.temperature_c:.0f} °C", mend)


def _mend_power(what: tuple[str, ...]) -> str:
    if "under-voltage" in what:
        return "give it the power supply made for this Pi, on a short cable"
    return "give it a heat sink or a fan, or watch with --fps 5"


def access(source: str) -> Iterator[Finding]:
    """May this user open cameras?"""
    devices = sorted(
        Path("/dev").glob("video*" if source.startswith("picamera2") else _device(source))
    )
    shut = [str(device) for device in devices if not os.access(device, os.R_OK | os.W_OK)]
    if shut:
        user = getpass.getuser()
        mend = f"sudo usermod -aG {_group(shut[0])} {user}  # and log in again"
        yield Finding("access", FAULT, f"{user} may not open {', '.join(shut[:3])}", mend)
    elif devices:
        yield Finding("access", OK, f"{getpass.getuser()} may open {devices[0]}")


def _device(source: str) -> str:
    """The pattern in /dev of a V4L2 camera; of all others one that nothing matches."""
    number = source.removeprefix("v4l2:").removeprefix("/dev/video")
    return f"video{number}" if number != source and number.isdigit() else "no-device"


def _group(device: str) -> str:
    try:
        return grp.getgrgid(Path(device).stat().st_gid).gr_name
    except (OSError, KeyError):
        return "video"


def service(active: str) -> Finding:
    """Does it run, where it is installed?"""
    if active == "active":
        return Finding("service", OK, f"{UNIT} runs")
    mend = "sudo systemctl restart vedette; journalctl -u vedette -n 30"
    return Finding("service", WARNING, f"{UNIT} is {active or 'unknown'}", mend)


def limits(unit: str, controllers: str) -> Iterator[Finding]:
    """Does the kernel keep the unit's limit of memory? Raspberry Pi OS has that turned off."""
    if "MemoryMax=" in unit and "memory" not in controllers.split():
        found = "the kernel limits no memory, so a camera process that leaks is not ended"
        mend = "sudo sed -i 's/$/ cgroup_enable=memory/' /boot/firmware/cmdline.txt; sudo reboot"
        yield Finding("limits", WARNING, found, mend)


def runs_as_service() -> bool:
    """Whether the service runs, and so holds its camera."""
    return _asked("systemctl", "is-active", UNIT) == "active"


def _asked(*command: str) -> str:
    """What another program says; empty where it is not there, fails or does not answer."""
    if not shutil.which(command[0]):
        return ""
    with suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(command, capture_output=True, text=True, timeout=ASK_S, check=False)
        return done.stdout.strip()
    return ""
