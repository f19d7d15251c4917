"""The output through outages of a broker, and its end, which waits for none."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.edge.mosquitto import (
    DEVICE,
    QUICK,
    ROOT,
    Mosquitto,
    StartBroker,
    list_retained,
    make_config,
    open_hostile_broker,
    publish,
    subscribe,
    wait_until,
)
from tests.edge.mqtt.outputs import (
    JPEG,
    events,
    make_change,
    open_output,
    wait_for_connection,
)

from vedette_edge.mqtt.config import Broker
from vedette_edge.mqtt.output import MqttOutput

WATCH = """
import sys, time
from tests.edge.mosquitto import DEVICE, make_config
from vedette_edge.mqtt.output import MqttOutput
with MqttOutput(make_config(int(sys.argv[1])), DEVICE, print):
    time.sleep(60)
"""


def test_after_an_outage_the_newest_state_is_there(broker: Mosquitto) -> None:
    with open_output(make_config(broker.port)) as (output, _):
        wait_until(lambda: output.read_counters().sent >= 3)
        broker.stop()
        wait_until(lambda: not output.read_counters().connected)
        for number in range(1, 251):
            output.write(make_change("fox" if number % 2 else "hen", number), JPEG)
        assert output.read_counters().dropped == 150
        broker.start()
        wait_until(lambda: output.read_counters().sent >= 3 + 4 + 100)
        kept = list_retained(broker.port)
        assert json.loads(kept[f"{ROOT}/state"])["label"] == "hen"
        assert kept[f"{ROOT}/snapshot"] == JPEG


def test_events_arrive_in_order_behind_all_that_is_retained(broker: Mosquitto) -> None:
    output = MqttOutput(make_config(broker.port), DEVICE, print, QUICK)
    for number in range(1, 251):
        output.write(make_change("fox", number), JPEG)
    with subscribe(broker.port) as listener, output:
        wait_until(lambda: len(listener.payloads(f"{ROOT}/event")) == 100)
        topics = listener.topics()
        numbers = events(listener.payloads(f"{ROOT}/event"))
    assert numbers == list(range(151, 251))
    assert topics[0].endswith("/config")
    assert topics[1:4] == [f"{ROOT}/{name}" for name in ("snapshot", "state", "available")]
    assert output.read_counters().dropped == 150


@pytest.mark.parametrize("persistence", ["persistence false", "persistence true"])
def test_a_broker_that_restarts_knows_everything_again(
    start_broker: StartBroker, persistence: str, tmp_path: Path
) -> None:
    broker = start_broker(f"{persistence}\npersistence_location {tmp_path}/\nuser root")
    with open_output(make_config(broker.port)) as (output, _):
        output.write(make_change("fox"), JPEG)
        wait_until(lambda: output.read_counters().sent >= 5)
        before = list_retained(broker.port)
        broker.stop()
        wait_until(lambda: not output.read_counters().connected)
        broker.start()
        wait_for_connection(output)
        wait_until(lambda: list_retained(broker.port) == before)


def test_when_home_assistant_starts_it_gets_everything_again(broker: Mosquitto) -> None:
    with open_output(make_config(broker.port)) as (output, _):
        output.write(make_change("fox"), JPEG)
        wait_until(lambda: output.read_counters().sent >= 5)
        with subscribe(broker.port) as listener:
            begin = len(listener.messages)
            publish(broker.port, "homeassistant/status", b"offline")
            publish(broker.port, "homeassistant/status", b"online")
            wait_until(lambda: f"{ROOT}/available" in listener.topics()[begin:])
            topics = listener.topics()[begin:]
    assert topics[2].endswith("/config")
    assert topics[3:] == [f"{ROOT}/{name}" for name in ("snapshot", "state", "available")]


def test_a_watch_that_is_killed_is_offline(broker: Mosquitto) -> None:
    with subscribe(broker.port) as listener:
        command = [sys.executable, "-c", WATCH, str(broker.port)]
        with subprocess.Popen(command) as watch:
            wait_until(lambda: b"online" in listener.payloads(f"{ROOT}/available"))
            watch.send_signal(signal.SIGKILL)
        wait_until(lambda: listener.payloads(f"{ROOT}/available")[-1] == b"offline", 10)
    assert list_retained(broker.port)[f"{ROOT}/available"] == b"offline"


def test_what_is_left_is_sent_at_the_end(broker: Mosquitto) -> None:
    with subscribe(broker.port) as listener:
        with open_output(make_config(broker.port)) as (output, _):
            wait_for_connection(output)
            for number in range(90):
                output.write(make_change("fox", number))
        wait_until(lambda: b"offline" in listener.payloads(f"{ROOT}/available"))
        assert events(listener.payloads(f"{ROOT}/event")) == list(range(90))
        assert listener.payloads(f"{ROOT}/available") == [b"online", b"offline"]


def test_a_broker_that_hangs_holds_up_nothing(broker: Mosquitto) -> None:
    with open_output(make_config(broker.port)) as (output, _):
        wait_for_connection(output)
        broker.process.send_signal(signal.SIGSTOP)
        begin_s = time.monotonic()
        for number in range(1000):
            output.write(make_change("fox", number), JPEG * 5000)
        assert time.monotonic() - begin_s < 5
        begin_s = time.monotonic()
    assert time.monotonic() - begin_s < 1
    broker.process.send_signal(signal.SIGCONT)
    wait_until(lambda: list_retained(broker.port).get(f"{ROOT}/available") == b"offline")


def close_soon(port: int, host: str = "127.0.0.1", *, tls: bool = False) -> None:
    """Open an output, and close it while it still tries to connect."""
    with open_output(make_config(port, broker=Broker(host, port, tls))) as (output, _):
        time.sleep(0.3)
        assert not output.read_counters().connected
        begin_s = time.monotonic()
    assert time.monotonic() - begin_s < 1


def test_the_end_waits_for_no_broker_that_is_silent_or_slow_with_tls() -> None:
    with open_hostile_broker(accepts=False) as silent:
        close_soon(silent.port)
        close_soon(silent.port, tls=True)
        assert silent.connections >= 2


def test_the_end_waits_for_no_broker_behind_a_black_hole() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, ExitStack() as stack:
        for _ in range(4):  # the kernel answers no more
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(full.getsockname())
        close_soon(full.getsockname()[1])


def test_the_end_waits_for_no_name_server(monkeypatch: pytest.MonkeyPatch) -> None:
    answered, threads = threading.Event(), set(threading.enumerate())

    def hang(*_: object, **__: object) -> None:
        answered.wait(60)
        raise socket.gaierror(socket.EAI_AGAIN, "no answer")

    monkeypatch.setattr("socket.getaddrinfo", hang)
    close_soon(1883, "broker.example")
    answered.set()
    for thread in set(threading.enumerate()) - threads:
        thread.join(10)
