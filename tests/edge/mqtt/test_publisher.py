"""The publisher against brokers that refuse it, or are hostile."""

import logging
import re
import resource
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
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
    make_publish,
    open_hostile_broker,
    publish,
    wait_until,
)

from vedette_edge.errors import SettingError
from vedette_edge.log.records import create_record
from vedette_edge.mqtt.commands import Command
from vedette_edge.mqtt.config import MqttConfig
from vedette_edge.mqtt.output import MqttOutput
from vedette_edge.mqtt.removal import remove_device

ROOT = Path(__file__).parents[3]
SET = "vedette/door-pi/set"


@contextmanager
def open_output(config: MqttConfig) -> Iterator[tuple[MqttOutput, list[Command]]]:
    commands: list[Command] = []
    with MqttOutput(config, DEVICE, commands.append, QUICK) as output:
        yield output, commands


def wait_for_connection(output: MqttOutput) -> None:
    wait_until(lambda: output.read_counters().connected)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.levelno == logging.INFO]


@pytest.fixture(autouse=True)
def _log_all(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "vedette_edge")


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


@pytest.mark.parametrize(
    "packet",
    [
        make_publish(f"{SET}/enter", b"0.7", qos=2),
        b"\x30\x02\x00\x09",  # a topic that is longer than its packet
        b"\x40\x00",  # a confirmation of nothing
        b"\x20\x02\x00\x05",  # a refusal, later
        b"\x00" * 100,
        b"GET / HTTP/1.0\r\n\r\n",
        bytes(range(256)) * 100,
        b"\x90\x03\x00\x01\x77",
    ],
    ids=["qos2", "cut", "empty", "refusal", "zeros", "http", "bytes", "suback"],
)
def test_a_hostile_broker_changes_nothing(packet: bytes, caplog: pytest.LogCaptureFixture) -> None:
    highest_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with open_hostile_broker(packet, times=20) as hostile:
        with open_output(make_config(hostile.port)) as (output, commands):
            wait_until(lambda: hostile.connections >= 2 or b"\x90" in packet)
            output.write(create_record("heartbeat"))
            assert threading.active_count() > 1
        assert not commands
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - highest_kb
    assert grown_kb < 100_000  # the sender's own copies count, too
    assert len(warnings(caplog)) <= 3
    assert "Traceback" not in caplog.text


def test_a_topic_that_is_no_text_is_ignored(caplog: pytest.LogCaptureFixture) -> None:
    packets = [b"\x30\x04\x00\x02\xff\xff", make_publish(f"{SET}/enter", b"0.7")]
    with (
        open_hostile_broker(*packets) as hostile,
        open_output(make_config(hostile.port)) as (_, commands),
    ):
        wait_until(lambda: commands)
        assert hostile.connections == 1
    assert not warnings(caplog)


def test_a_broker_that_does_not_answer_is_reported(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("vedette_edge.mqtt.connection.ANSWER_S", 0.2)
    with (
        open_hostile_broker(accepts=False) as silent,
        open_output(make_config(silent.port)),
    ):
        wait_until(lambda: silent.connections >= 2)
    assert "does not answer" in warnings(caplog)[0]


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


def test_of_a_huge_message_only_the_beginning_is_kept() -> None:
    highest_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    huge = bytes([0x30]) + b"\xff\xff\xff\x7f" + b"\0\1x"  # the first bytes of 256 MB
    with (
        open_hostile_broker(huge, bytes(1_000_000), times=100) as hostile,
        open_output(make_config(hostile.port)),
    ):
        wait_until(lambda: hostile.sent > 100_000_000)
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - highest_kb
    assert grown_kb < 20_000


@pytest.mark.parametrize("size", [65_536, 100_000, 10_000_000])
@pytest.mark.parametrize(
    "topic", [f"{SET}/x", "homeassistant/status", "homeassistant/device/vedette_door-pi/config"]
)
def test_nobody_who_may_publish_keeps_the_watch_away_by_a_large_message(
    broker: Mosquitto, topic: str, size: int, caplog: pytest.LogCaptureFixture
) -> None:
    publish(broker.port, topic, bytes(size), "-r")
    with open_output(make_config(broker.port)) as (output, commands):
        wait_for_connection(output)
        for _ in range(25 if size <= 100_000 else 1):  # a broker sends 20 without an answer
            publish(broker.port, topic, bytes(size))

        def set_threshold() -> bool:
            publish(broker.port, f"{SET}/enter", b"0.7")
            return bool(commands)

        wait_until(set_threshold)
        assert output.read_counters().connected
    assert not warnings(caplog)


def test_a_broker_that_floods_is_left(caplog: pytest.LogCaptureFixture) -> None:
    packets = make_publish(f"{SET}/enter", b"0.7", qos=1) * 100
    with (
        open_hostile_broker(packets, times=5_000) as hostile,
        open_output(make_config(hostile.port)) as (output, commands),
    ):
        wait_until(lambda: hostile.connections >= 2)
        assert len(commands) <= 200
        assert output.read_counters().refused > 1000
        assert any("packets a second" in one for one in warnings(caplog))


def test_a_thousand_commands_a_second_are_refused_but_for_a_few(broker: Mosquitto) -> None:
    with open_output(make_config(broker.port)) as (output, commands):
        wait_for_connection(output)
        lines = b"0.7\n" * 1000
        command = ["mosquitto_pub", "-p", str(broker.port), "-t", f"{SET}/enter", "-l", "-q", "1"]
        begin_s = time.monotonic()
        subprocess.run(command, input=lines, check=True)
        wait_until(lambda: len(commands) + output.read_counters().refused == 1000)
        most = 20 + 10 * (time.monotonic() - begin_s) + 1
        assert 20 <= len(commands) <= most
        output.write(create_record("heartbeat"))
        wait_until(lambda: output.read_counters().sent >= 3)
        assert output.read_counters().connected


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
