"""`vedette fleet` with a real broker and real devices: it shows them, and only listens."""

import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from tests.edge.conftest import WriteConfig
from tests.edge.fleet.devices import SimulatedDevice, draw_jpeg, run_devices
from tests.edge.fleet.pages import FleetPage, serve_fleet
from tests.edge.mosquitto import (
    PASSWORD,
    Mosquitto,
    StartBroker,
    list_retained,
    make_publish,
    publish,
    wait_until,
)
from tests.edge.vedette_command import call_vedette, start_watch
from tests.edge.video_files import write_video

from vedette_edge.fleet.roster import MOST_DEVICES

TOKEN = "0123456789abcdef"


@pytest.fixture
def page(broker: Mosquitto, tmp_path: Path) -> Iterator[FleetPage]:
    with serve_fleet(tmp_path, broker.port) as page:
        yield page


@contextmanager
def run_process(port: int, *names: str) -> Iterator["subprocess.Popen[str]"]:
    """Run devices in a process of their own, which can be killed."""
    command = [sys.executable, "-m", "tests.edge.fleet.devices", str(port), *names]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "online\n"
        yield process
        process.kill()


def test_a_device_appears_changes_goes_offline_and_comes_back(
    broker: Mosquitto, page: FleetPage
) -> None:
    assert page.devices() == {}
    with run_process(broker.port, "barn") as process:
        page.wait(lambda devices: devices.get("barn", {}).get("online"))
        page.wait(lambda devices: devices["barn"]["labels"][0]["label"] == "fox")
        barn = page.devices()["barn"]
        shown = {name: barn[name] for name in ("fps", "temperature_c", "camera", "model")}
        expected = {"fps": 9.8, "temperature_c": 51.5, "camera": True, "model": "birds.tflite"}
        assert (shown, barn["problems"]) == (expected, [])
        assert page.get(f"/pictures/barn.jpg?{barn['picture']}") == (200, draw_jpeg(0))
        process.kill()
        page.wait(lambda devices: page.kinds("barn") == ["offline"])
    assert page.devices()["barn"]["problems"][0]["since"] == pytest.approx(time.time(), abs=30)
    with SimulatedDevice(broker.port, "barn") as device:
        page.wait(lambda devices: page.kinds("barn") == [])
        device.change("hen", draw_jpeg(7))
        page.wait(lambda devices: devices["barn"]["labels"][0]["label"] == "hen")
        assert page.get("/pictures/barn.jpg") == (200, draw_jpeg(7))
        device.lose_camera("unplugged")
        page.wait(lambda devices: page.kinds("barn") == ["camera"])
        device.restore_camera()
        page.wait(lambda devices: page.kinds("barn") == [])
        device.pause()
        page.wait(lambda devices: devices["barn"]["paused"])


def test_a_real_watch_names_its_model_and_shows_what_it_sees(
    broker: Mosquitto, page: FleetPage, write_config: WriteConfig, model: Path, tmp_path: Path
) -> None:
    colours_bgr = ((0, 0, 220), (0, 220, 0))
    frames = [np.full((60, 80, 3), one, np.uint8) for one in colours_bgr for _ in range(5)]
    clip = write_video(tmp_path / "clip.avi", frames)
    config = write_config(
        f'model = "{model}"\ncamera = "{clip}"\nlive = true\nloop = true\njson = true\n'
        f'smoothing = 0\ndwell = 0\nmqtt = "mqtt://127.0.0.1:{broker.port}"\nmqtt-id = "barn"\n'
    )
    with start_watch(config):
        page.wait(lambda devices: {devices["barn"]["labels"][0]["label"]} <= {"red", "green"})
        page.wait(lambda devices: devices["barn"]["model"] == model.name)
        page.wait(lambda devices: devices["barn"]["camera"] and devices["barn"]["fps"])
        page.wait(lambda devices: devices["barn"]["picture"])
    picture = cv2.imdecode(np.frombuffer(page.get("/pictures/barn.jpg")[1], np.uint8), 1)
    assert picture is not None
    assert picture.shape == (60, 80, 3)


def test_those_in_trouble_stand_first(broker: Mosquitto, page: FleetPage) -> None:
    with run_devices(broker.port, [f"pi-{number}" for number in range(12)]) as devices:
        page.wait(lambda shown: list(shown) == [f"pi-{number}" for number in range(12)])
        devices[11].beat(temperature_c=85.0)
        devices[10].lose_camera("unplugged")
        page.wait(lambda shown: list(shown)[:3] == ["pi-10", "pi-11", "pi-0"])
        devices[9].__exit__()
        page.wait(lambda shown: list(shown)[:4] == ["pi-9", "pi-10", "pi-11", "pi-0"])


def test_the_events_bring_first_everything_and_then_what_changes(
    broker: Mosquitto, page: FleetPage
) -> None:
    with run_devices(broker.port, ["a", "b"]) as devices:
        page.wait(lambda shown: len(shown) == 2 and all(one["labels"] for one in shown.values()))
        command = ["curl", "-sN", "--noproxy", "*", f"{page.url}/events"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as stream:
            assert stream.stdout
            events = (
                json.loads(line.removeprefix("data: "))
                for line in stream.stdout
                if line.startswith("data: ")
            )
            first = next(events)
            assert (first["order"], len(first["devices"])) == (["a", "b"], 2)
            devices[1].lose_camera("unplugged")
            second = next(one for one in events if "order" in one)
            assert second["order"] == ["b", "a"]
            stream.kill()


def test_a_fleet_publishes_nothing(start_broker: StartBroker, tmp_path: Path) -> None:
    broker = start_broker("persistence false\nlog_type all")
    publish(broker.port, "homeassistant/status", b"online", "-r")
    with run_devices(broker.port, ["barn"]) as devices, serve_fleet(tmp_path, broker.port) as page:
        page.wait(lambda shown: shown.get("barn", {}).get("picture"))
        kept = list_retained(broker.port)
        publish(broker.port, "homeassistant/status", b"online")
        devices[0].change("hen")
        page.wait(lambda shown: shown["barn"]["labels"][0]["label"] == "hen")
        page.process.send_signal(signal.SIGTERM)
        page.process.wait(30)
        log = broker.file.with_suffix(".log").read_text("utf-8")
        clients = set(re.findall(r"vedette-(?:fleet|visit)-[0-9a-f]{12}", log))
        assert {name[:13] for name in clients} == {"vedette-fleet", "vedette-visit"}
        own = [line for line in log.splitlines() if any(name in line for name in clients)]
        received = {line.split("Received ")[1].split()[0] for line in own if "Received " in line}
        assert received <= {"SUBSCRIBE", "DISCONNECT", "PINGREQ", "CONNECT"}
        assert "SUBSCRIBE" in received
        for name in clients:
            assert re.search(rf"as {name} .*\n.*No will message specified", log)
        assert kept.keys() == list_retained(broker.port).keys()


def test_two_fleets_and_a_device_of_any_name_leave_each_other_alone(
    start_broker: StartBroker, tmp_path: Path
) -> None:
    broker = start_broker("persistence false\nlog_type all")
    names = ["fleet", "fleet-0123456789ab"]
    with (
        serve_fleet(tmp_path, broker.port) as one,
        serve_fleet(tmp_path, broker.port) as other,
        run_devices(broker.port, names),
    ):
        for page in (one, other):
            page.wait(lambda devices: list(devices) == names)
    assert "session taken over" not in broker.file.with_suffix(".log").read_text("utf-8")


def test_garbage_is_ignored_and_harms_nobody(broker: Mosquitto, page: FleetPage) -> None:
    with run_devices(broker.port, ["barn"]):
        page.wait(lambda devices: devices["barn"]["hardware"])  # of the last topic it asks for
        for topic, payload in (
            ("vedette/barn/state", b"[" * 60_000),
            ("vedette/barn/health", b"\xff\x00"),
            ("vedette/barn/snapshot", b"\xff\xd8\xff" + bytes(300_000)),
            ("vedette/barn/available", b"perhaps"),
            ("vedette/a b/available", b"online"),
            ("homeassistant/device/vedette_barn/config", b'{"dev": 1}'),
            ("vedette/huge/snapshot", bytes(5_000_000)),
        ):
            publish(broker.port, topic, payload)
        page.wait(lambda devices: page.read()["ignored"] >= 7)
        device = page.devices()["barn"]
        assert (device["online"], device["labels"][0]["label"]) == (True, "fox")
        assert page.get("/pictures/barn.jpg") == (200, draw_jpeg(0))


def test_of_thousands_of_devices_200_are_shown_and_the_others_counted(
    broker: Mosquitto, tmp_path: Path
) -> None:
    topics = (f"vedette/many-{number}/available" for number in range(3_000))
    send(broker.port, [make_publish(topic, b"online", retained=True) for topic in topics])
    with serve_fleet(tmp_path, broker.port) as page:
        page.wait(lambda devices: page.read()["more"] == 3_000 - MOST_DEVICES)
        assert len(page.devices()) == MOST_DEVICES
        assert page.read()["problem"] == ""


def test_a_burst_of_messages_neither_ends_the_connection_nor_hides_a_change(
    broker: Mosquitto, page: FleetPage
) -> None:
    with run_devices(broker.port, ["barn"]) as devices:
        page.wait(lambda shown: shown["barn"]["hardware"])
        send(broker.port, [make_publish("vedette/barn/health", b"{}")] * 5_000)
        devices[0].change("hen")
        page.wait(lambda shown: shown["barn"]["labels"][0]["label"] == "hen")
        assert "tried again" not in page.log.read_text("utf-8")


def send(port: int, packets: list[bytes]) -> None:
    """Send packets as fast as the broker takes them."""
    with socket.create_connection(("127.0.0.1", port), 30) as client:
        client.sendall(b"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04many")
        assert client.recv(4) == b"\x20\x02\x00\x00"
        for packet in packets:
            client.sendall(packet)
        client.sendall(b"\xe0\x00")
        assert client.recv(1) == b""  # it has taken all


def test_a_broker_that_comes_later_is_found(start_broker: StartBroker, tmp_path: Path) -> None:
    broker = start_broker("persistence false")
    broker.stop()
    with serve_fleet(tmp_path, broker.port) as page:
        wait_until(lambda: "nothing listens" in page.read()["problem"])
        assert page.get("/readyz")[0] == 503
        assert page.get("/healthz")[0] == 200
        broker.start()
        with run_devices(broker.port, ["barn"]):
            page.wait(lambda devices: page.kinds("barn") == [])
            assert page.read()["problem"] == ""
            broker.stop()
            wait_until(lambda: page.read()["problem"])
            assert list(page.devices()) == ["barn"]  # as it was
            broker.start()
            page.wait(lambda devices: not page.read()["problem"])


def test_a_wrong_password_ends_the_command_with_a_message(login: Mosquitto, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("wrong\n")
    flags = ("--mqtt", f"mqtt://me@127.0.0.1:{login.port}", "--mqtt-password-file", str(secret))
    result = call_vedette("fleet", "--bind", "127.0.0.1:0", *flags)
    assert (result.exit_code, "wrong" in result.stderr) == (1, False)
    assert "refuses" in result.stderr


def test_the_password_comes_from_a_file(login: Mosquitto, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(f"{PASSWORD}\n")
    flags = ("--mqtt", f"mqtt://me@127.0.0.1:{login.port}", "--mqtt-password-file", str(secret))
    with serve_fleet(tmp_path, login.port, *flags) as page:
        wait_until(lambda: page.read()["problem"] == "")
        assert PASSWORD not in page.log.read_text("utf-8")
        assert "me@" not in json.dumps(page.read())
        command = Path(f"/proc/{page.process.pid}/cmdline").read_bytes()
        assert PASSWORD.encode() not in command


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        ((), "no broker"),
        (("--mqtt", f"mqtt://me:{PASSWORD}@broker"), "list of processes"),
        (("--mqtt", "http://broker"), "not valid"),
        (("--mqtt", "mqtt://broker", "--bind", "broker"), "0.0.0.0:8471"),
        (("--mqtt", "mqtt://broker", "--mqtt-id", "pi"), "--mqtt-id"),
        (("--mqtt", "mqtt://broker", "--mqtt-ca", "ca.pem"), "TLS"),
    ],
)
def test_a_wrong_command_line_is_refused(flags: tuple[str, ...], reason: str) -> None:
    result = call_vedette("fleet", *flags)
    assert result.exit_code == 2
    assert reason in result.stderr
    assert PASSWORD not in result.stderr


def test_a_page_for_others_needs_a_token(broker: Mosquitto, tmp_path: Path) -> None:
    mqtt = ("--mqtt", f"mqtt://127.0.0.1:{broker.port}")
    result = call_vedette("fleet", *mqtt, "--bind", "0.0.0.0:0")
    assert (result.exit_code, "token" in result.stderr) == (1, True)
    token = tmp_path / "token"
    token.write_text(TOKEN)
    token.chmod(0o600)
    with serve_fleet(tmp_path, broker.port, "--token-file", str(token)) as page:
        paths = ("/events", "/api/fleet", "/pictures/barn.jpg", "/fleet.js")
        assert [page.get(path)[0] for path in paths] == [401] * len(paths)
        assert b"password" in page.get("/")[1]  # the form
        assert page.get("/api/fleet", {"Authorization": "Bearer wrong"})[0] == 401
        assert page.get("/api/fleet", {"Authorization": f"Bearer {TOKEN}"})[0] == 200
        assert page.get("/healthz", {"Host": "evil.example"})[0] == 400


def test_a_page_that_nobody_looks_at_ends(broker: Mosquitto, tmp_path: Path) -> None:
    with serve_fleet(tmp_path, broker.port, "--idle-exit", "0.5") as page:
        assert page.process.wait(30) == 0


@pytest.mark.parametrize("missing", ["paho", "starlette", "uvicorn"])
def test_a_missing_package_is_named(missing: str) -> None:
    hide = f"import sys; sys.modules[{missing!r}] = None; from vedette_edge.__main__ import main; "
    command = [sys.executable, "-c", hide + "main(['fleet', '--mqtt', 'mqtt://127.0.0.1:1'])"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert "pip install 'vedette-edge[" in done.stderr
