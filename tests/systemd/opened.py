"""A machine that is open to everybody, and a probe of what a unit refuses on it nonetheless."""

import json
from pathlib import Path

from tests.systemd.machine import HERE, UNIT, Machine
from tests.systemd.service import Service

Results = dict[str, dict[str, str]]
FOLDERS = [f"/{name}/open" for name in "etc home mnt opt root srv usr var/lib var/log".split()]
STATE = "/var/lib/vedette"
TEMPORARY = ["/tmp", "/var/tmp", "/dev/shm"]
# Without a driver: ENXIO if it is permitted.
GROUPS = {"video4linux": 81, "media": 241, "dma_heap": 242}
DEVICES = {
    "vcio": "c 100 0",
    "video": f"c {GROUPS['video4linux']} 0",
    "media": f"c {GROUPS['media']} 0",
    "heap": f"c {GROUPS['dma_heap']} 0",
    "disk": "b 7 0",
}
# The kernel knows the groups only once their module is loaded, which no container may do.
MODPROBE = """#!/bin/sh
[ "$2" = videodev ] || exit 1 # the unit calls: modprobe -abq MODULE
grep -q video4linux /proc/devices || mount --bind /srv/devices /proc/devices
"""
PROBE = """Type=oneshot
Restart=no
ExecStart=
ExecStart=/opt/vedette/current/bin/python /opt/probe.py /var/log/{name} {folders} {files}
"""
UNRESTRICTED = """ProtectSystem=no
ProtectHome=no
MemoryDenyWriteExecute=no
RestrictNamespaces=no
RestrictSUIDSGID=no
SystemCallFilter=
RestrictAddressFamilies=
DevicePolicy=auto
DeviceAllow=
"""


def open_everything(machine: Machine) -> None:
    """Create folders, files and devices that are open to everybody."""
    machine.write("/opt/probe.py", (HERE / "probe.py").read_bytes())
    for folder in FOLDERS:
        machine.write(f"{folder}/file", "")
        machine.path(folder).chmod(0o777)
    machine.path("/root").chmod(0o755)
    groups = "".join(f"{number} {name}\n" for name, number in GROUPS.items())
    machine.write("/srv/devices", f"Character devices:\n{groups}\nBlock devices:\n  7 loop\n")
    machine.write("/usr/sbin/modprobe", MODPROBE)
    machine.path("/usr/sbin/modprobe").chmod(0o755)
    for device, numbers in DEVICES.items():
        machine.require("mknod", "-m", "666", f"/dev/{device}", *numbers.split())


def probe(machine: Machine, name: str, drop_in: str = "", unit: Path = UNIT) -> Results:
    """Run the probe as a service of this unit with these changes."""
    service = Service(machine, name, unit)
    files = [f"{folder}/file" for folder in FOLDERS]
    command = PROBE.format(
        name=name, folders=":".join([*FOLDERS, STATE, *TEMPORARY]), files=":".join(files)
    )
    service.change_unit("test", command + drop_in)
    machine.require("systemctl", "daemon-reload")
    service.control("start")
    results: Results = json.loads(machine.path(f"/var/log/{name}/result.json").read_text("utf-8"))
    return results


def refused(results: Results, kind: str) -> set[str]:
    """Name what was refused."""
    return {name for name, error in results[kind].items() if error not in ("", "ENXIO")}
