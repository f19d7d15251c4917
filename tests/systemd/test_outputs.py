"""Outputs of the service within the restrictions of its unit: what it keeps, and for whom."""

import json
import stat

from tests.systemd.conftest import Create
from tests.systemd.machine import Machine, wait_until

from vedette_edge.live.client import LiveClient

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


def test_the_group_sees_a_running_service_at_its_socket(machine: Machine, create: Create) -> None:
    place = machine.path("/run/vedette/watch.sock")
    service = create()
    service.control("start")
    service.wait("change")
    folder, log = place.parent.stat(), machine.path("/var/log/vedette").stat()
    assert (stat.S_IMODE(place.stat().st_mode), stat.S_IMODE(folder.st_mode)) == (0o660, 0o750)
    assert {place.stat().st_gid, folder.st_gid} == {log.st_gid}
    service.control("reload")
    service.wait("start", times=2)
    wait_until(place.exists, service.explain)
    with LiveClient(place) as viewer:
        viewer.request(["frame"])
        assert viewer.read().body[:2] == b"\xff\xd8"
    service.control("stop")
    assert not place.exists()


def test_the_service_keeps_figures_for_everybody_in_the_groups_folder(
    machine: Machine, create: Create
) -> None:
    place = machine.path("/run/vedette/vedette.prom")
    service = create(**{"metrics-file": "/run/vedette/vedette.prom"})
    service.control("start")
    service.wait("change")
    wait_until(place.exists, service.explain)
    assert stat.S_IMODE(place.stat().st_mode) == 0o644  # the folder lets in the group alone
    service.control("stop")
    assert not place.exists()
