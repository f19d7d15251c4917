"""The publisher against brokers, and others who publish, that are hostile."""

import resource
import subprocess
import threading
import time

import pytest
from tests.edge.mosquitto import (
    Mosquitto,
    make_config,
    make_publish,
    open_hostile_broker,
    publish,
    wait_until,
)
from tests.edge.mqtt.outputs import SET, open_output, wait_for_connection, warnings

from vedette_edge.log.records import create_record


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
    begin_s = time.monotonic()
    with (
        open_hostile_broker(packets, times=5_000) as hostile,
        open_output(make_config(hostile.port)) as (output, commands),
    ):
        wait_until(lambda: hostile.connections >= 2, 90)
        admitted = len(commands)
        assert admitted <= 20 + 10 * (time.monotonic() - begin_s) + 1
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
