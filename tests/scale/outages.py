"""Outages of a broker, of a watch and of the network: how long until everybody knows.

    .venv/bin/python -m tests.scale.outages [restart] [kill] [network]

restart: mosquitto without persistence restarts; the time until each of 5 devices has sent again
everything that is retained, 4 times for each duration of the outage. kill: `kill -9` of a watch;
the time until a subscriber reads `offline`. network: watches in a network namespace whose link goes
down; the same time. The last needs root and `ip`.
"""

import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.edge.mosquitto import DEVICE, Mosquitto, Subscriber, make_config, wait_until
from tests.scale.watches import say, start_watches

from vedette_edge.log.records import create_record
from vedette_edge.mqtt.output import MqttOutput

DEVICES, RESTARTS, KILLS, PULLS = 5, 4, 20, 2
DOWN_S = (0.0, 3.0, 30.0)
STEADY_S = 6.0  # after which a pause of the connection begins anew
PATIENCE_S = 200.0
NAMESPACE, OUTER, INNER = "vedette-scale", "vscale0", "vscale1"
OUTER_IP, INNER_IP = "10.213.77.1", "10.213.77.2"
PORT = 18_837
JPEG = b"\xff\xd8picture\xff\xd9"


def main(names: Sequence[str]) -> None:
    """Print the times of each kind of outage."""
    kinds = {"restart": measure_restarts, "kill": measure_kills, "network": measure_network}
    for name in names or kinds:
        with tempfile.TemporaryDirectory() as folder:
            kinds[name](Path(folder))


def report(name: str, times_s: Sequence[float]) -> None:
    """Print median and most of some times."""
    median, most = statistics.median(times_s), max(times_s)
    say(f"{name}: median {median:.2f} s, most {most:.2f} s of {len(times_s)}")


@contextmanager
def open_broker(folder: Path, settings: str = "persistence false") -> Iterator[Mosquitto]:
    """Start a broker, and kill it at the end."""
    broker = Mosquitto(folder, settings)
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()


def measure_restarts(folder: Path) -> None:
    """Measure how long a broker that has forgotten everything is incomplete."""
    names = [f"pi-{number}" for number in range(DEVICES)]
    with open_broker(folder) as broker, ExitStack() as parts:
        for name in names:
            config = make_config(broker.port, device_id=name)
            output = parts.enter_context(MqttOutput(config, DEVICE, lambda command: None))
            change = {"label": "fox", "score": 0.9, "frame": 1}
            output.write(create_record("change") | change, JPEG)
            output.write(create_record("heartbeat") | {"fps": 9.8})
            output.publish_settings({"enter": 0.5, "leave": 0.35, "paused": False})
        time.sleep(1)
        for down_s in DOWN_S:
            times_s = [one for _ in range(RESTARTS) for one in restart(broker, names, down_s)]
            report(f"broker restarted after {down_s:g} s, complete after", times_s)


def restart(broker: Mosquitto, names: Sequence[str], down_s: float) -> list[float]:
    """Restart a broker; return when it has each device's retained messages again."""
    time.sleep(STEADY_S + random.uniform(0, 1))
    broker.stop()
    time.sleep(down_s)
    broker.start()
    begin_s = time.monotonic()
    subscriber = Subscriber(broker.port)
    times_s: dict[str, float] = {}
    while len(times_s) < len(names) and time.monotonic() < begin_s + PATIENCE_S:
        topics = set(subscriber.topics())
        for name in names:
            if name not in times_s and list_topics(name) <= topics:
                times_s[name] = time.monotonic() - begin_s
        time.sleep(0.01)
    subscriber.close()
    assert len(times_s) == len(names), "the broker is not complete"
    return list(times_s.values())


def list_topics(name: str) -> set[str]:
    """All retained topics of a device."""
    own = ("available", "health", "settings", "snapshot", "state")
    return {f"homeassistant/device/vedette_{name}/config", *(f"vedette/{name}/{x}" for x in own)}


def measure_kills(folder: Path) -> None:
    """Measure how long a subscriber thinks that a killed watch is there."""
    times_s: list[float] = []
    with open_broker(folder) as broker:
        while len(times_s) < KILLS:
            with open_watches(folder, broker, f"127.0.0.1:{broker.port}") as (watches, subscriber):
                for number, watch in enumerate(watches):
                    time.sleep(random.uniform(0, 1))
                    times_s += wait_for_offline(subscriber, [number], watch.kill)
    report("kill -9 of a watch, offline after", times_s)


@contextmanager
def open_watches(
    folder: Path, broker: Mosquitto, address: str, prefix: Sequence[str] = ()
) -> Iterator[tuple[list["subprocess.Popen[bytes]"], Subscriber]]:
    """Start watches that are online, and a subscriber to that."""
    configs = [f'mqtt = "mqtt://{address}"\nmqtt-id = "pi-{number}"\n' for number in range(DEVICES)]
    subscriber = Subscriber(broker.port, "-t", "vedette/+/available")
    try:
        with start_watches(folder, configs, prefix) as watches:
            for number in range(DEVICES):
                wait_until(lambda: b"online" in latest(subscriber, number))  # noqa: B023
            yield watches, subscriber
    finally:
        subscriber.close()


def latest(subscriber: Subscriber, number: int) -> bytes:
    """The latest state of a device; empty if there is none."""
    return (subscriber.payloads(f"vedette/pi-{number}/available") or [b""])[-1]


def wait_for_offline(
    subscriber: Subscriber, numbers: Sequence[int], act: Callable[[], object]
) -> list[float]:
    """Wait until devices are offline after an act; return how long each took."""
    begin_s = time.monotonic()
    act()
    times_s: dict[int, float] = {}
    while len(times_s) < len(numbers) and time.monotonic() < begin_s + PATIENCE_S:
        for number in numbers:
            if number not in times_s and latest(subscriber, number) == b"offline":
                times_s[number] = time.monotonic() - begin_s
        time.sleep(0.002)
    assert len(times_s) == len(numbers), "not offline"
    return list(times_s.values())


def measure_network(folder: Path) -> None:
    """Measure the same for watches whose network is pulled."""
    prefix, times_s = ["ip", "netns", "exec", NAMESPACE], list[float]()
    pull = [*prefix, "ip", "link", "set", INNER, "down"]
    for _ in range(PULLS):
        with (
            open_namespace(),
            open_broker(folder, f"persistence false\nlistener {PORT} {OUTER_IP}") as broker,
            open_watches(folder, broker, f"{OUTER_IP}:{PORT}", prefix) as (_, subscriber),
        ):
            time.sleep(random.uniform(0, 45))  # until some moment between two pings
            times_s += wait_for_offline(
                subscriber, range(DEVICES), lambda: subprocess.run(pull, check=True)
            )
    report("pulled network, offline after", times_s)


@contextmanager
def open_namespace() -> Iterator[None]:
    """Create a network namespace that is connected with this one."""
    run_ip("netns", "add", NAMESPACE)
    try:
        run_ip("link", "add", OUTER, "type", "veth", "peer", "name", INNER, "netns", NAMESPACE)
        run_ip("addr", "add", f"{OUTER_IP}/30", "dev", OUTER)
        run_ip("link", "set", OUTER, "up")
        run_ip("-n", NAMESPACE, "addr", "add", f"{INNER_IP}/30", "dev", INNER)
        run_ip("-n", NAMESPACE, "link", "set", INNER, "up")
        yield
    finally:
        run_ip("link", "del", OUTER)
        run_ip("netns", "del", NAMESPACE)


def run_ip(*arguments: str) -> None:
    """Run `ip`."""
    subprocess.run(["ip", *arguments], check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
