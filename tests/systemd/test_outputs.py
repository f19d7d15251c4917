"""Outputs of the service within the restrictions of its unit: what it keeps, and for whom."""

import json
import stat

from tests.systemd.conftest import Create
from tests.systemd.machine import Machine, wait_until

STATE = "/var/lib/vedette"


def test_the_service_keeps_snapshots_and_what_rules_remember(
    machine: Machine, create: Create
) -> None:
    folder = machine.path(f"{STATE}/snapshots")
    service = create(snapshots=f"{STATE}/snapshots", mqtt="mqtt://127.0.0.1:1", heartbeat=0.5)
    with machine.path(service.settings).open("a", encoding="utf-8") as settings:
        settings.write("[[on]]\nsnapshot = true\ncooldown = 600\n")
    service.control("start")
    change = service.wait("change")
    name = str(change["snapshot"])
    wait_until(lambda: (folder / name).exists(), service.explain)
    assert (folder / name).read_bytes()[:2] == b"\xff\xd8"
    mode, group = (folder / name).stat().st_mode, (folder / name).stat().st_gid
    assert stat.S_IMODE(mode) == 0o640  # `vedette on` reads it by its group
    assert group == machine.path("/var/log/vedette").stat().st_gid
    service.wait("heartbeat")  # a broker that is not there holds up nothing
    service.wait_for_message("nothing listens at 127.0.0.1 port 1")
    service.control("stop")
    memory = json.loads(machine.path(f"{STATE}/policy.json").read_text("utf-8"))
    assert len(memory["rules"]) == 1
