"""`vedette-on@.service`: a command of the user's own, with a real watch."""

import re
from collections.abc import Iterator

import pytest
from tests.systemd.machine import HERE, SETTINGS, UNIT, UNITS, Machine, wait_until
from tests.systemd.service import Service

DOCS = HERE.parents[1] / "docs" / "actions.md"
NAME = "vedette-on@probe"
SCRIPT = """#!/bin/sh
echo "label $VEDETTE_LABEL, token $TOKEN, user $(id -u), groups $(id -nG)"
touch file && echo "writes into $PWD"
head -c 1 /var/log/vedette/watch.jsonl >/dev/null && echo "reads the log"
for folder in /etc /opt /home/pi /var/log/vedette /var/lib/vedette; do
    touch "$folder/file" 2>/dev/null || echo "does not write into $folder"
done
head -c 1 /etc/vedette/on.d/probe.conf 2>/dev/null || echo "does not read the settings"
"""
OPTIONS = """VEDETTE_ON='--label "two words" --label red'
TOKEN=secret
"""


def read_journal(machine: Machine) -> str:
    return machine.require("journalctl", "--output=cat", f"--unit={NAME}")


def wait_for(machine: Machine, words: str, times: int = 1) -> None:
    wait_until(lambda: read_journal(machine).count(words) >= times, lambda: read_journal(machine))


@pytest.fixture(scope="module")
def watch(machine: Machine) -> Iterator[Service]:
    """A service that sees something red at each start, and a command for that."""
    machine.write(
        f"{UNITS}/vedette-on@.service", UNIT.with_name("vedette-on@.service").read_bytes()
    )
    machine.write(f"{SETTINGS}/on.d/probe", SCRIPT)
    machine.path(f"{SETTINGS}/on.d/probe").chmod(0o755)
    machine.write(f"{SETTINGS}/on.d/probe.conf", OPTIONS)
    machine.path(f"{SETTINGS}/on.d/probe.conf").chmod(0o600)
    machine.require("useradd", "--create-home", "pi")
    machine.require("systemctl", "daemon-reload")
    machine.require("systemctl", "enable", "--now", NAME)
    wait_for(machine, "following it")
    watch = Service(machine)
    watch.configure()
    watch.control("start")
    yield watch
    machine.require("systemctl", "disable", "--now", NAME)
    watch.control("stop")


def test_it_runs_the_command_with_its_settings_and_few_rights(
    machine: Machine, watch: Service
) -> None:
    wait_for(machine, "exit code 0")
    lines = read_journal(machine).splitlines()
    state = next(line for line in lines if line.startswith("label "))
    label, token, user, groups = state.split(", ")
    assert (label, token) == ("label red", "token secret")
    assert int(user.split()[1]) >= 61184  # systemd's range of dynamic users
    assert "vedette" in groups.split()
    expected = {"writes into /tmp", "reads the log", "does not read the settings"}
    folders = ("/etc", "/opt", "/home/pi", "/var/log/vedette", "/var/lib/vedette")
    expected |= {f"does not write into {folder}" for folder in folders}
    assert expected <= set(lines)


def test_it_outlives_the_watch_and_is_restarted(machine: Machine, watch: Service) -> None:
    wait_for(machine, "exit code 0")
    runs = read_journal(machine).count("exit code 0")
    watch.control("restart")
    wait_for(machine, "exit code 0", runs + 1)
    machine.require("systemctl", "kill", "--signal=KILL", NAME)
    wait_for(machine, "following it", 2)
    watch.control("restart")
    wait_for(machine, "exit code 0", runs + 2)
    machine.require("systemctl", "restart", NAME)
    wait_for(machine, "following it", 3)


def test_one_pattern_restarts_and_stops_what_runs_and_starts_nothing_else(
    machine: Machine, watch: Service
) -> None:
    """As install.sh does after an upgrade, and before it removes the unit."""
    starts = read_journal(machine).count("following it")
    machine.require("systemctl", "try-restart", "--no-block", "vedette-on@*")
    wait_for(machine, "following it", starts + 1)
    machine.require("systemctl", "stop", "vedette-on@*")
    assert machine.run("systemctl", "is-active", NAME).stdout == "inactive\n"
    machine.require("systemctl", "try-restart", "--no-block", "vedette-on@*")
    assert machine.run("systemctl", "is-active", NAME).stdout == "inactive\n"
    machine.require("systemctl", "start", NAME)
    wait_for(machine, "following it", starts + 2)


def test_a_drop_in_runs_the_command_as_a_person_who_writes_into_the_home_folder(
    machine: Machine, watch: Service
) -> None:
    [lines] = re.findall(r"    \[Service\]\n(?:    .*\n)+", DOCS.read_text("utf-8"))
    machine.write(f"{UNITS}/{NAME}.service.d/person.conf", lines.replace("    ", ""))
    machine.require("systemctl", "daemon-reload")
    starts = read_journal(machine).count("following it")
    machine.require("systemctl", "restart", NAME)
    wait_for(machine, "following it", starts + 1)
    since = len(read_journal(machine))
    watch.control("restart")
    wait_until(lambda: "exit code 0" in read_journal(machine)[since:])
    lines_since = read_journal(machine)[since:].splitlines()
    uid = machine.require("id", "-u", "pi").strip()
    assert any(line.startswith(f"label red, token secret, user {uid}, ") for line in lines_since)
    assert "reads the log" in lines_since
    assert "does not write into /etc" in lines_since
    assert "does not write into /home/pi" not in lines_since
    assert machine.path("/home/pi/file").exists()
