"""The publisher against brokers that refuse it, or are hostile."""

import re
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tests.edge.mosquitto import (
    DEVICE,
    PASSWORD,
    QUICK,
    Mosquitto,
    StartBroker,
    list_retained,
    make_config,
    open_hostile_broker,
    publish,
    wait_until,
)
from tests.edge.mqtt.outputs import SET, messages, open_output, wait_for_connection, warnings

from vedette_edge.errors import SettingError
from vedette_edge.log.records import create_record
from vedette_edge.mqtt.commands import Command
from vedette_edge.mqtt.output import MqttOutput
from vedette_edge.mqtt.removal import remove_device

ROOT = Path(__file__).parents[3]


def test_commands_arrive_and_those_that_are_not_valid_are_counted(broker: Mosquitto) -> None:
    with open_output(make_config(broker.port)) as (output, commands):
        wait_for_connection(output)
        publish(broker.port, f"{SET}/enter", b"0.7")
        publish(broker.port, f"{SET}/enter", b"nan")
        publish(broker.port, f"{SET}/nothing", b"1")
        publish(broker.port, f"{SET}/paused", b"ON")
        publish(broker.port, f"{SET}/restart", b"restart")
        wait_until(lambda: len(commands) == 3)
        assert output.read_counters().refused == 2
    expected = [("enter", 0.7), ("paused", True), ("restart", True)]
    assert [(one.name, one.value) for one in commands] == expected


def test_a_command_that_is_retained_is_ignored(broker: Mosquitto) -> None:
    publish(broker.port, f"{SET}/restart", b"restart", "-r")
    with open_output(make_config(broker.port)) as (output, commands):
        wait_for_connection(output)
        publish(broker.port, f"{SET}/leave", b"0.2")
        wait_until(lambda: commands)
        assert [one.name for one in commands] == ["leave"]


def test_without_commands_nothing_can_be_set(broker: Mosquitto) -> None:
    with open_output(make_config(broker.port, commands=False)) as (output, commands):
        wait_until(lambda: output.read_counters().sent >= 2)
        publish(broker.port, f"{SET}/restart", b"restart")
        sent = output.read_counters().sent
        output.write(create_record("heartbeat"))
        wait_until(lambda: output.read_counters().sent > sent)
        assert (commands, output.read_counters().refused) == ([], 0)


def test_a_command_that_fails_leaves_the_connection(
    broker: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(command: Command) -> None:
        raise RuntimeError(command.name)

    with MqttOutput(make_config(broker.port), DEVICE, fail, QUICK) as output:
        wait_for_connection(output)
        publish(broker.port, f"{SET}/restart", b"restart")
        wait_until(lambda: warnings(caplog))
        output.write(create_record("heartbeat"))
        wait_until(lambda: output.read_counters().sent >= 3)
        assert output.read_counters().connected


def test_an_outage_is_reported_once_and_so_is_its_end(
    broker: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    broker.stop()
    with open_output(make_config(broker.port)) as _:
        wait_until(lambda: len(warnings(caplog)) == 1)
        time.sleep(1.5)  # several attempts
        broker.start()
        wait_until(lambda: messages(caplog))
        assert len(messages(caplog)) == len(warnings(caplog)) == 1
        assert f"mqtt://127.0.0.1:{broker.port}" in warnings(caplog)[0]


def test_a_wrong_password_is_reported_without_it(
    login: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    config = make_config(login.port)
    wrong = replace(config.broker, user="me", password="another secret")
    with open_output(replace(config, broker=wrong)) as (output, _):
        wait_until(lambda: warnings(caplog))
        assert not output.read_counters().connected
    assert "refuses" in warnings(caplog)[0]
    assert "secret" not in caplog.text
    assert "secret" not in repr(config)
    right = replace(wrong, password=PASSWORD)
    with open_output(replace(config, broker=right)) as (output, _):
        wait_until(lambda: output.read_counters().sent >= 2)
    assert PASSWORD not in caplog.text + repr(right)


def test_a_certificate_is_verified(
    start_broker: StartBroker,
    certificate: tuple[Path, Path],
    caplog: pytest.LogCaptureFixture,
) -> None:
    file, key = certificate
    server = start_broker(f"certfile {file}\nkeyfile {key}\nuser root")
    config = make_config(server.port)
    trusting = replace(config, broker=replace(config.broker, tls=True), ca_file=str(file))
    with open_output(trusting) as (output, _):
        wait_until(lambda: output.read_counters().sent >= 2)
    assert not warnings(caplog)
    with open_output(replace(trusting, ca_file="")) as (output, _):
        wait_until(lambda: warnings(caplog))
        assert not output.read_counters().connected
    assert "--mqtt-ca" in warnings(caplog)[0]


def test_a_file_that_is_no_certificate_is_refused_at_once(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("no certificate")
    config = make_config(1)
    wrong = replace(config, broker=replace(config.broker, tls=True), ca_file=str(file))
    with pytest.raises(SettingError, match=r"ca\.pem"):
        MqttOutput(wrong, DEVICE, print)


def test_large_snapshots_pass_through_tls(
    start_broker: StartBroker, certificate: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    file, key = certificate
    server = start_broker(f"certfile {file}\nkeyfile {key}\nuser root")
    config = make_config(server.port)
    config = replace(config, broker=replace(config.broker, tls=True), ca_file=str(file))
    with open_output(config) as (output, _):
        wait_for_connection(output)
        for number in range(20):
            picture = bytes([number]) * 250_000
            output.write(create_record("change") | {"label": "fox", "score": 0.9}, picture)
        flags = ("--cafile", str(file))
        topic = "vedette/door-pi/snapshot"
        wait_until(lambda: list_retained(server.port, *flags).get(topic) == picture)
    assert not warnings(caplog)


def test_the_rules_that_the_document_gives_a_broker_suffice(
    start_broker: StartBroker, tmp_path: Path
) -> None:
    lines = (ROOT / "docs" / "mqtt.md").read_text("utf-8").splitlines()
    rules = [line.strip() for line in lines if re.match(r" {6}(user|topic) ", line)]
    (tmp_path / "rules").write_text("\n".join(rules) + "\n")
    (tmp_path / "passwords").touch()
    for user in ("door-pi", "homeassistant"):
        command = ["mosquitto_passwd", "-b", f"{tmp_path}/passwords", user, PASSWORD]
        subprocess.run(command, check=True)
    files = f"password_file {tmp_path}/passwords\nacl_file {tmp_path}/rules"
    server = start_broker(f"allow_anonymous false\n{files}\nuser root")
    config, flags = make_config(server.port), ("-u", "homeassistant", "-P", PASSWORD)
    config = replace(config, broker=replace(config.broker, user="door-pi", password=PASSWORD))
    with open_output(config) as (output, commands):
        output.publish_settings({"enter": 0.5, "leave": 0.35, "paused": False})
        output.write(create_record("heartbeat"))
        output.write(create_record("change") | {"label": "fox", "score": 0.9}, b"JPEG")
        wait_until(lambda: len(list_retained(server.port, *flags)) == 6)
        publish(server.port, f"{SET}/enter", b"0.7", *flags)
        wait_until(lambda: commands)
        sent = output.read_counters().sent
        publish(server.port, "homeassistant/status", b"online", *flags)
        wait_until(lambda: output.read_counters().sent >= sent + 6)
    assert len(remove_device(config).topics) == 6


def test_a_broker_that_lets_us_read_nothing_is_reported_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    refusal = b"\x90\x05\x00\x01\x80\x80\x80"
    with (
        open_hostile_broker(refusal, times=3) as strict,
        open_output(make_config(strict.port)) as (output, _),
    ):
        wait_until(lambda: warnings(caplog))
        output.write(create_record("heartbeat"))
        time.sleep(0.2)
        assert output.read_counters().connected
    (refused,) = warnings(caplog)
    assert "it does not let this user read" in refused
    assert f"{SET}/+" in refused


def test_a_second_device_with_the_same_id_floods_no_log(
    broker: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    config = make_config(broker.port)
    with open_output(config) as (first, _), open_output(config) as (second, _):
        time.sleep(3)
        assert len(warnings(caplog)) <= 8
        assert any("--mqtt-id" in one for one in warnings(caplog))
        assert first.read_counters().sent + second.read_counters().sent
