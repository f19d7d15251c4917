"""Checks of the machine: clock, power, temperature, access to cameras, and the service."""

import getpass
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from vedette_edge.doctor import FAULT, OK, WARNING, Finding
from vedette_edge.host.raspberry_pi import Health, read_health

EARLIEST = datetime(2026, 1, 1, tzinfo=UTC)  # Vedette is younger: an earlier clock is not set
HOT_C = 80.0  # a Pi throttles itself from here
TIMEOUT_S = 10.0  # for other programs
UNIT = "vedette.service"
CONTROLLERS = Path("/sys/fs/cgroup/cgroup.controllers")  # what the kernel can limit
SET_CLOCK = "sudo timedatectl set-ntp true  # or, offline, a real-time clock"
COOL_DOWN = "add a heat sink or a fan, or watch with --fps 5"


def check_machine(source: str) -> Iterator[Finding]:
    """Check all that this machine has.

    A fault is only what stops the watch. The clock is never set offline, and a weak power supply
    is no reason to refuse an upgrade: these are warnings.
    """
    synchronised = _run_command("timedatectl", "show", "-p", "NTPSynchronized", "--value")
    yield check_clock(datetime.now(UTC), synchronised)
    yield from check_power(read_health(), _run_command("vcgencmd", "get_throttled"))
    yield from check_access(source)
    if unit := _run_command("systemctl", "cat", UNIT):
        yield check_service(_run_command("systemctl", "is-active", UNIT))
        controllers = CONTROLLERS.read_text("utf-8") if CONTROLLERS.exists() else "memory"
        yield from check_memory_limit(unit, controllers)


def check_clock(now: datetime, synchronised: str) -> Finding:
    """Check the year and NTP. `synchronised` is yes, no, or empty if unknown."""
    detail = f"{now.astimezone():%Y-%m-%d %H:%M %Z}"
    if now < EARLIEST:
        detail += ": not set, so the log gets wrong times"
        return Finding("clock", WARNING, detail, SET_CLOCK)
    if synchronised == "no":
        return Finding("clock", WARNING, f"{detail}, not synchronised", SET_CLOCK)
    return Finding("clock", OK, detail + ", synchronised" * (synchronised == "yes"))


def check_power(health: Health, vcgencmd: str) -> Iterator[Finding]:
    """Check voltage and temperature. `vcgencmd` is its output, such as throttled=0x50000."""
    if not (health.now or health.before):
        with suppress(ValueError):
            throttled = int(vcgencmd.partition("=")[2] or "0", 16)
            health = Health.from_throttled(health.temperature_c, throttled)
    for when, problems in (("now", health.now), ("since it started", health.before)):
        if problems:
            under_voltage = "under-voltage" in problems
            fix = "use the power supply made for this Pi, and a short cable"
            detail = f"{', '.join(problems)} {when}"
            yield Finding("power", WARNING, detail, fix if under_voltage else COOL_DOWN)
    if health.temperature_c is not None:
        hot = health.temperature_c >= HOT_C
        detail = f"{health.temperature_c:.0f} °C"
        yield Finding("heat", WARNING if hot else OK, detail, COOL_DOWN if hot else "")


def check_access(source: str) -> Iterator[Finding]:
    """Check that this user may open the camera's device."""
    pattern = "video*" if source.startswith("picamera2") else _find_device_name(source)
    devices = sorted(Path("/dev").glob(pattern)) if pattern else []
    denied = [str(device) for device in devices if not os.access(device, os.R_OK | os.W_OK)]
    user = find_user()
    if denied:
        fix = f"sudo usermod -aG {_find_group(denied[0])} {user}  # and log in again"
        yield Finding("access", FAULT, f"{user} may not open {', '.join(denied[:3])}", fix)
    elif devices:
        yield Finding("access", OK, f"{user} may open {devices[0]}")


def find_user() -> str:
    """This user's name, or number where it has no name, as in a container."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # depending on Python's version
        return str(os.getuid())


def _find_device_name(source: str) -> str:
    """The name in /dev of a V4L2 camera; empty for other sources."""
    number = source.removeprefix("v4l2:").removeprefix("/dev/video")
    return f"video{number}" if number != source and number.isdigit() else ""


def _find_group(device: str) -> str:
    try:
        return Path(device).group()
    except (OSError, KeyError):
        return "video"


def check_service(active: str) -> Finding:
    """Check that the installed service runs. `active` is what systemctl is-active prints."""
    if active == "active":
        return Finding("service", OK, f"{UNIT} runs")
    fix = "sudo systemctl restart vedette; journalctl -u vedette -n 30"
    return Finding("service", WARNING, f"{UNIT} is {active or 'unknown'}", fix)


def check_memory_limit(unit: str, controllers: str) -> Iterator[Finding]:
    """Check that the kernel can enforce the unit's MemoryMax: off in Raspberry Pi OS."""
    if "MemoryMax=" in unit and "memory" not in controllers.split():
        detail = "the kernel limits no memory, so a leaking camera process is not stopped"
        fix = "sudo sed -i 's/$/ cgroup_enable=memory/' /boot/firmware/cmdline.txt; sudo reboot"
        yield Finding("limits", WARNING, detail, fix)


def is_service_running() -> bool:
    """True while the service runs, which then holds its camera."""
    return _run_command("systemctl", "is-active", UNIT) == "active"


def _run_command(*command: str) -> str:
    """Return a program's output; empty if it is missing, fails to start or takes too long."""
    if not shutil.which(command[0]):
        return ""
    with suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=TIMEOUT_S
        )
        return done.stdout.strip()
    return ""
