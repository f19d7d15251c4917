"""`vedette-page.socket` and its service: a page that the first request starts, of a real watch."""

import json
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest
from tests.systemd.machine import SETTINGS, UNIT, UNITS, Machine, wait_until
from tests.systemd.opened import FOLDERS, STATE, UNRESTRICTED, Results, probe, refused
from tests.systemd.service import Service

NAME = "vedette-page"
TOKEN = "0123456789abcdef0123456789abcdef"
PAGE_UNIT = UNIT.with_name("vedette-page.service")
# Prints the status of an answer, and writes its body to a file.
ASK = """import pathlib, sys, urllib.error, urllib.request
url, token = sys.argv[1:]
headers = {"Authorization": f"Bearer {token}"} if token else {}
try:
    answer = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=50)
except urllib.error.HTTPError as error:
    answer = error
pathlib.Path("/srv/answer").write_bytes(answer.read())
print(answer.status)
"""
OPENED = "DynamicUser=no\nUser=vedette\nPrivateDevices=no\nPrivateNetwork=no\nProcSubset=all\n"


def ask(machine: Machine, path: str, token: str = TOKEN, host: str = "127.0.0.1") -> bytes:
    """Return the body of an answer, or its status if it is a refusal."""
    url = f"http://{host}:8470{path}"
    status = machine.require("/opt/python/bin/python3", "/opt/ask.py", url, token).strip()
    return machine.path("/srv/answer").read_bytes() if status == "200" else status.encode()


def show(machine: Machine, name: str) -> str:
    command = ("systemctl", "show", "--value", f"--property={name}", f"{NAME}.service")
    return machine.require(*command).strip()


def wait_for(machine: Machine, state: str) -> None:
    wait_until(lambda: show(machine, "ActiveState") == state, lambda: read_journal(machine))


def read_journal(machine: Machine) -> str:
    return machine.require("journalctl", "--output=cat", f"--unit={NAME}")


def write_token(machine: Machine) -> None:
    machine.write(f"{SETTINGS}/token", f"{TOKEN}\n")
    machine.path(f"{SETTINGS}/token").chmod(0o640)
    machine.require("chgrp", "vedette", f"{SETTINGS}/token")


@pytest.fixture(scope="module")
def watch(machine: Machine) -> Iterator[Service]:
    """A service that sees something red, and a socket for its page that this machine can reach."""
    for name in (f"{NAME}.socket", PAGE_UNIT.name):
        machine.write(f"{UNITS}/{name}", UNIT.with_name(name).read_bytes())
    machine.write("/opt/ask.py", ASK)
    write_token(machine)
    watch = Service(machine)
    watch.configure(snapshots=f"{STATE}/snapshots")
    watch.control("start")
    watch.wait("change")
    machine.require("systemctl", "enable", "--now", f"{NAME}.socket")
    yield watch
    machine.require("systemctl", "disable", "--now", f"{NAME}.socket")
    watch.control("stop")


@pytest.fixture(scope="module")
def results(opened: Machine) -> Results:
    """The results of the probe within the unit of the page."""
    return probe(opened, "page-probe", unit=PAGE_UNIT)


@pytest.fixture(scope="module")
def unrestricted(opened: Machine) -> Results:
    """The same without the restrictions, or a refusal would prove nothing."""
    return probe(opened, "page-unrestricted", UNRESTRICTED + OPENED, PAGE_UNIT)


def test_the_first_request_starts_it_and_it_shows_the_watch(
    machine: Machine, watch: Service
) -> None:
    assert show(machine, "ActiveState") == "inactive"
    picture = cv2.imdecode(np.frombuffer(ask(machine, "/frame.jpg"), np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    blue, green, red = picture[24, 32]
    assert red > 180 > 60 > max(blue, green)
    assert show(machine, "ActiveState") == "active"
    assert ask(machine, "/frame.jpg", host="[::1]").startswith(b"\xff\xd8")
    records: list[dict[str, Any]] = json.loads(ask(machine, "/api/history"))["records"]
    [change] = [one for one in records if one["event"] == "change"]
    snapshot = machine.path(f"{STATE}/snapshots/{change['snapshot']}")
    wait_until(snapshot.exists)
    assert ask(machine, f"/snapshots/{snapshot.name}") == snapshot.read_bytes()


def test_it_demands_the_token_even_of_this_machine(machine: Machine, watch: Service) -> None:
    assert ask(machine, "/frame.jpg", token="") == b"401"
    assert ask(machine, "/frame.jpg", token=TOKEN[::-1]) == b"401"
    assert ask(machine, "/healthz", token="") not in (b"401", b"403")


def test_it_ends_when_nobody_looks_and_the_next_request_starts_it(
    machine: Machine, watch: Service
) -> None:
    machine.write(f"{SETTINGS}/page.conf", "VEDETTE_PAGE=--idle-exit 2\n")
    machine.require("systemctl", "stop", f"{NAME}.service")
    for _ in range(2):
        assert ask(machine, "/frame.jpg").startswith(b"\xff\xd8")
        wait_for(machine, "inactive")
        assert show(machine, "Result") == "success"
    machine.path(f"{SETTINGS}/page.conf").unlink()


def test_a_page_that_was_killed_answers_the_next_request(machine: Machine, watch: Service) -> None:
    ask(machine, "/healthz")
    records = len(watch.records())
    for _ in range(3):
        machine.require("systemctl", "kill", "--signal=KILL", f"{NAME}.service")
        assert ask(machine, "/frame.jpg").startswith(b"\xff\xd8")
    assert watch.show("NRestarts") == "0"
    assert not [one for one in watch.records()[records:] if one["event"] != "heartbeat"]


def test_without_a_token_it_says_what_to_do_and_answers_as_soon_as_there_is_one(
    machine: Machine, watch: Service
) -> None:
    machine.require("systemctl", "stop", f"{NAME}.service")
    machine.path(f"{SETTINGS}/token").unlink()
    connect = "import socket; socket.create_connection(('127.0.0.1', 8470))"
    machine.require("/opt/python/bin/python3", "-c", connect)
    wait_until(lambda: "make one, then name it with --token-file" in read_journal(machine))
    write_token(machine)
    assert ask(machine, "/frame.jpg").startswith(b"\xff\xd8")


def test_an_upgrade_restarts_one_that_runs_and_starts_no_other(
    machine: Machine, watch: Service
) -> None:
    """As install.sh does."""
    ask(machine, "/healthz")
    pid = show(machine, "MainPID")
    machine.require("systemctl", "try-restart", f"{NAME}.socket")
    assert show(machine, "MainPID") not in (pid, "0")
    assert ask(machine, "/frame.jpg").startswith(b"\xff\xd8")
    machine.require("systemctl", "stop", f"{NAME}.service")
    machine.require("systemctl", "try-restart", f"{NAME}.socket")
    assert show(machine, "ActiveState") == "inactive"
    assert ask(machine, "/frame.jpg").startswith(b"\xff\xd8")


def test_a_drop_in_opens_it_to_other_machines(machine: Machine, watch: Service) -> None:
    """And disabling the socket ends the page as well."""
    folder = f"{UNITS}/{NAME}.socket.d"
    listening = ("ss", "--no-header", "--listening", "--numeric", "--tcp", "sport = :8470")
    local = {line.split()[3] for line in machine.require(*listening).splitlines()}
    assert local == {"127.0.0.1:8470", "[::1]:8470"}
    ask(machine, "/healthz")
    drop_in = UNIT.with_name(f"{NAME}.socket.d") / "network.conf"
    machine.write(f"{folder}/network.conf", drop_in.read_bytes())
    machine.require("systemctl", "daemon-reload")
    machine.require("systemctl", "restart", f"{NAME}.socket")
    everywhere = {line.split()[3] for line in machine.require(*listening).splitlines()}
    assert everywhere == {"0.0.0.0:8470", "[::]:8470"}
    assert ask(machine, "/frame.jpg").startswith(b"\xff\xd8")
    assert ask(machine, "/frame.jpg", token="") == b"401"
    assert ask(machine, "/metrics", token="") not in (b"401", b"403")  # of this machine
    machine.require("systemctl", "stop", f"{NAME}.socket")
    assert show(machine, "ActiveState") == "inactive"


def test_it_writes_temporary_files_alone_and_reads_no_home_folder(
    results: Results, unrestricted: Results
) -> None:
    assert refused(results, "write") == {*FOLDERS, STATE}
    assert refused(results, "read") == {"/home/open/file", "/root/open/file"}
    assert not refused(unrestricted, "write")
    assert not refused(unrestricted, "read")


def test_it_sees_no_device_and_reaches_nobody(results: Results, unrestricted: Results) -> None:
    assert refused(results, "device") == {"vcio", "video", "media", "heap", "disk"}
    assert refused(results, "socket") == {*results["socket"]} - {"AF_UNIX"}
    assert not refused(unrestricted, "device")
    assert not {"AF_INET", "AF_INET6", "AF_NETLINK"} & refused(unrestricted, "socket")


def test_it_has_no_privilege_and_creates_none(results: Results, unrestricted: Results) -> None:
    privilege = results["privilege"]
    assert int(privilege["user"]) >= 61184  # systemd's range of dynamic users
    assert {int(value, 16) for name, value in privilege.items() if name.startswith("Cap")} == {0}
    assert privilege["NoNewPrivs"] == "1"
    assert privilege["set-user-ID bit"] == "EPERM"
    assert refused(results, "namespace") == {"user", "mount", "network"}
    assert refused(results, "memory") == {"written, then executed", "written and executed"}
    assert not refused(unrestricted, "memory")
    assert "user" not in refused(unrestricted, "namespace")
