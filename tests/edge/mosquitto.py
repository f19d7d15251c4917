"""Brokers for tests: a real one, and one that is hostile."""

import random
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from vedette_edge.mqtt.config import Broker, MqttConfig, Pauses
from vedette_edge.mqtt.device import Device

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
TIMEOUT_S = 30.0
PASSWORD = "hunter2"  # of the user `me`
QUICK = Pauses(
    first_s=0.05, absent_s=0.4, longest_s=0.4, steady_s=0.2, repeat_s=0.0, between_repeats_s=0.0
)
ROOT = "vedette/door-pi"  # of its topics
DEVICE = Device("7c9e0a41b2d3", "door-pi", "Raspberry Pi 4", "0.1.0", ("hen", "fox"))


def wait_until(condition: Callable[[], object], timeout_s: float = TIMEOUT_S) -> None:
    """Wait until a condition is true; fail if it never is."""
    limit_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < limit_s, "it did not happen"
        time.sleep(0.01)


def find_free_port() -> int:
    """Find a port for a server that is to start later.

    It lies below those that the kernel hands out: no test beside this one takes it meanwhile.
    """
    while True:
        port = random.SystemRandom().randrange(20_000, 32_768)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


class Mosquitto:
    """A real broker on loopback, which can be stopped and started again."""

    def __init__(self, folder: Path, settings: str) -> None:
        self.folder, self.port = folder, find_free_port()
        self.file = folder / f"mosquitto-{self.port}.conf"
        text = f"listener {self.port} 127.0.0.1\n{settings}\n"
        self.file.write_text(text if "anonymous" in text else f"{text}allow_anonymous true\n")

    def start(self) -> None:
        """Start it, and wait until it listens."""
        assert MOSQUITTO
        with self.file.with_suffix(".log").open("ab") as log:
            self.process = subprocess.Popen([MOSQUITTO, "-c", self.file], stdout=log, stderr=log)
        wait_until(self._listens)

    def stop(self) -> None:
        """Stop it as a service manager does."""
        wait_until(self._ends)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(TIMEOUT_S)

    def _ends(self) -> bool:
        """Ask it to end. It forgets that if it listens already, but has only begun to run."""
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(1)
        return self.process.poll() is not None

    def _listens(self) -> bool:
        assert self.process.poll() is None, self.file.with_suffix(".log").read_text()
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False


StartBroker = Callable[[str], Mosquitto]


@pytest.fixture
def start_broker(tmp_path: Path) -> Iterator[StartBroker]:
    """Starts brokers with further settings; kills them at the end."""
    if not MOSQUITTO:
        pytest.skip("mosquitto is not installed: apt install mosquitto mosquitto-clients")
    started: list[Mosquitto] = []

    def start(settings: str) -> Mosquitto:
        broker = Mosquitto(tmp_path, settings)
        broker.start()
        started.append(broker)
        return broker

    yield start
    for broker in started:
        broker.kill()


@pytest.fixture
def broker(start_broker: StartBroker) -> Mosquitto:
    """A broker that forgets all when it ends."""
    return start_broker("persistence false")


@pytest.fixture
def login(start_broker: StartBroker, tmp_path: Path) -> Mosquitto:
    """A broker with a user and a password."""
    file = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-c", "-b", file, "me", PASSWORD], check=True)
    return start_broker(f"allow_anonymous false\npassword_file {file}\nuser root")


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for localhost that signs itself, and its key."""
    file, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost".split()
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run(
        [*command, *names, "-keyout", key, "-out", file], check=True, capture_output=True
    )
    return file, key


def make_config(port: int, **changes: object) -> MqttConfig:
    """Make a configuration for a broker on loopback."""
    config = MqttConfig(Broker("127.0.0.1", port, tls=False), device_id="door-pi")
    return replace(config, **changes)  # type: ignore[arg-type]  # of any field


class Subscriber:
    """Another client, of another maker: mosquitto_sub, on all topics."""

    def __init__(self, port: int, *flags: str) -> None:
        command = ["mosquitto_sub", "-p", str(port), "-h", "127.0.0.1", "-q", "1"]
        form = ["-F", "%r %t %x", *(flags or ("-t", "#"))]
        self._process = subprocess.Popen([*command, *form], stdout=subprocess.PIPE, text=True)
        self.messages: list[tuple[bool, str, bytes]] = []  # retained, topic, payload
        self.marks: set[str] = set()  # topics of our own, which are no messages
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            retained, topic, *payload = line.rstrip("\n").split(" ")
            if topic.startswith("mark/"):
                self.marks.add(topic)
            else:
                self.messages.append((retained == "1", topic, bytes.fromhex("".join(payload))))

    def topics(self) -> list[str]:
        return [topic for _, topic, _ in self.messages]

    def payloads(self, topic: str) -> list[bytes]:
        return [payload for _, one, payload in self.messages if one == topic]

    def hears(self, port: int, mark: str) -> bool:
        """Publish on a topic of our own; true if this arrived, or the same before."""
        publish(port, mark, b"x")
        return mark in self.marks

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._thread.join()
        assert self._process.stdout
        self._process.stdout.close()


@contextmanager
def subscribe(port: int, *flags: str) -> Iterator[Subscriber]:
    """Listen to a broker; returns when the subscription is there."""
    subscriber = Subscriber(port, *flags)
    mark = f"mark/{time.monotonic_ns()}"
    try:
        if not flags:
            wait_until(lambda: subscriber.hears(port, mark))
        yield subscriber
    finally:
        subscriber.close()


def publish(port: int, topic: str, payload: bytes, *flags: str) -> None:
    """Publish with mosquitto_pub."""
    command = ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(port), "-q", "1", "-t", topic, "-s"]
    subprocess.run([*command, *flags], input=payload, check=True, timeout=TIMEOUT_S)


def list_retained(port: int, *flags: str) -> dict[str, bytes]:
    """List what a broker keeps."""
    command = ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(port), "-t", "#", "-W", "1"]
    form = ["--retained-only", "-F", "%t %x", *flags]
    done = subprocess.run(
        [*command, *form], capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    assert done.returncode in (0, 27), done.stderr  # 27: its time was up
    lines = (line.partition(" ") for line in done.stdout.splitlines())
    return {topic: bytes.fromhex(payload) for topic, _, payload in lines}


class HostileBroker:
    """A broker that accepts every client, and then sends it what a test wants, until it goes."""

    def __init__(self, *packets: bytes, times: int = 1, accepts: bool = True) -> None:
        self._packets, self._times, self._accepts = packets, times, accepts
        self.connections = self.sent = 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        with suppress(OSError):
            while True:
                client = self._server.accept()[0]
                self._open.append(client)
                self.connections += 1
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError), client:
            client.recv(4096)  # CONNECT
            if self._accepts:
                client.sendall(b"\x20\x02\x00\x00")
            for _ in range(self._times):
                for packet in self._packets:
                    client.sendall(packet)
                    self.sent += len(packet)
            while client.recv(65536):
                pass

    def close(self) -> None:
        self._server.close()
        for client in self._open:
            client.close()


@contextmanager
def open_hostile_broker(
    *packets: bytes, times: int = 1, accepts: bool = True
) -> Iterator[HostileBroker]:
    """Open a hostile broker."""
    hostile = HostileBroker(*packets, times=times, accepts=accepts)
    try:
        yield hostile
    finally:
        hostile.close()


def make_publish(topic: str, payload: bytes, qos: int = 0, *, retained: bool = False) -> bytes:
    """Make the packet of a message."""
    body = len(topic.encode()).to_bytes(2, "big") + topic.encode()
    body += (b"\x00\x01" if qos else b"") + payload
    return bytes([0x30 | qos << 1 | retained]) + encode_length(len(body)) + body


def encode_length(length: int) -> bytes:
    """Encode the length of a packet, 7 bits a byte."""
    data = bytearray()
    while True:
        length, low = length >> 7, length & 127
        data.append(low | 128 * bool(length))
        if not length:
            return bytes(data)
