"""What the unit's restrictions refuse: the tables of docs/service.md, tried from within."""

import re

import pytest
from tests.systemd.conftest import Create
from tests.systemd.machine import HERE, Machine
from tests.systemd.opened import FOLDERS, STATE, TEMPORARY, UNRESTRICTED, Results, probe, refused
from tests.systemd.service import Service

DOCS = HERE.parents[1] / "docs" / "service.md"
CUT_OFF, WIDENED, HANDED_OVER = (
    block.replace("    ", "").replace("/mnt/card/vedette", "/mnt/open")
    for block in re.findall(r"\[Service\]\n((?:    .*\n)+)", DOCS.read_text("utf-8"))
)


@pytest.fixture(scope="module")
def results(opened: Machine) -> Results:
    """The results of the probe within the unit."""
    return probe(opened, "probe")


@pytest.fixture(scope="module")
def unrestricted(opened: Machine) -> Results:
    """The same without the restrictions, or a refusal would prove nothing."""
    return probe(opened, "unrestricted", UNRESTRICTED)


def test_it_writes_its_log_and_its_state_alone_and_temporary_files(
    opened: Machine, results: Results, unrestricted: Results
) -> None:
    assert refused(results, "write") == set(FOLDERS)
    assert not refused(unrestricted, "write")
    assert not any(opened.path(f"{folder}/probe").exists() for folder in TEMPORARY[:2])  # its own


def test_it_reads_the_system_but_no_home_folder(results: Results, unrestricted: Results) -> None:
    assert refused(results, "read") == {"/home/open/file", "/root/open/file"}
    assert not refused(unrestricted, "read")


def test_a_drop_in_opens_another_folder_and_the_home_folders(opened: Machine) -> None:
    results = probe(opened, "widened", WIDENED)
    assert refused(results, "write") == {*FOLDERS} - {"/mnt/open"}
    assert not refused(results, "read")


def test_it_opens_cameras_and_the_mailbox_alone(results: Results, unrestricted: Results) -> None:
    assert refused(results, "device") == {"disk"}
    assert not refused(unrestricted, "device")


def test_it_has_the_sockets_of_streams_alone(results: Results, unrestricted: Results) -> None:
    assert refused(results, "socket") == {"AF_PACKET", "AF_ALG"}
    assert results["socket"]["AF_PACKET"] == "EAFNOSUPPORT"
    assert unrestricted["socket"]["AF_PACKET"] == "EPERM"  # as for any user without privileges


def test_a_drop_in_takes_the_network_away_and_a_camera_without_one_works(
    opened: Machine, create: Create
) -> None:
    results = probe(opened, "cut-off", CUT_OFF)
    assert refused(results, "socket") == {"AF_INET", "AF_INET6", "AF_PACKET", "AF_ALG"}
    service = create(CUT_OFF, camera="synthetic:64x48@10")
    service.control("start")
    service.wait("change")


def test_a_drop_in_takes_the_network_away_but_for_one_address(create: Create) -> None:
    cut_off = create("IPAddressDeny=any\n")
    allowed = create("IPAddressDeny=any\nIPAddressAllow=127.0.0.1\n")
    for service in (cut_off, allowed):
        service.control("start")
    allowed.wait("change")
    cut_off.wait("camera_lost")
    assert not cut_off.records("camera_opened")


def test_systemd_hands_a_password_over_that_only_root_can_read(
    opened: Machine, create: Create
) -> None:
    service, secret = create(), "/etc/vedette/mqtt-password"
    opened.write(secret, "hunter2\n")
    opened.path(secret).chmod(0o600)
    service.change_unit("password", HANDED_OVER)
    file = f"/run/credentials/{service.name}.service/mqtt-password"
    service.configure(**{"mqtt": "mqtt://me@127.0.0.1:1", "mqtt-password-file": file})
    opened.require("systemctl", "daemon-reload")
    service.control("start")
    service.wait("change")
    command = "runuser -u vedette -- /opt/vedette/current/bin/vedette check --config".split()
    checked = opened.run(*command, service.settings).stdout
    assert "nothing listens" in checked  # so the password was read
    service.control("stop")
    assert f"{file}: " in opened.run(*command, service.settings).stdout


def test_it_never_executes_memory_that_it_wrote(results: Results, unrestricted: Results) -> None:
    assert refused(results, "memory") == {"written, then executed", "written and executed"}
    assert not refused(unrestricted, "memory")


def test_it_creates_no_namespace(results: Results, unrestricted: Results) -> None:
    assert refused(results, "namespace") == {"user", "mount", "network"}
    assert "user" not in refused(unrestricted, "namespace")


def test_it_has_no_privilege_and_gives_none(opened: Machine, results: Results) -> None:
    privilege = results["privilege"]
    assert privilege["user"] == opened.require("id", "-u", "vedette").strip()
    assert {int(value, 16) for name, value in privilege.items() if name.startswith("Cap")} == {0}
    assert privilege["NoNewPrivs"] == "1"
    assert privilege["set-user-ID bit"] == "EPERM"


def test_it_sees_no_other_process_and_runs_programs(results: Results) -> None:
    assert refused(results, "process") == {"1"}


def test_its_limits_are_those_that_the_table_lists(machine: Machine) -> None:
    names = "MemoryHigh MemoryMax OOMPolicy CPUWeight TasksMax"
    shown = {name: Service(machine).show(name) for name in names.split()}
    assert shown == {
        "MemoryHigh": str(300 << 20),
        "MemoryMax": str(400 << 20),
        "OOMPolicy": "continue",
        "CPUWeight": "50",
        "TasksMax": "64",
    }


def test_the_group_reads_the_log_and_nobody_else(machine: Machine) -> None:
    log = Service(machine).log
    status = machine.require("stat", "--format=%U %G %a", STATE, "/var/log/vedette", log)
    assert status.splitlines() == ["vedette vedette 750"] * 2 + ["vedette vedette 640"]
    machine.require("useradd", "--groups", "vedette", "reader")
    machine.require("useradd", "stranger")
    read = ["/opt/vedette/current/bin/vedette", "log", log]
    assert "start" in machine.require("runuser", "-u", "reader", "--", *read)
    denied = machine.run("runuser", "-u", "stranger", "--", *read)
    assert denied.returncode
    assert "Permission denied" in denied.stdout
