"""systemd's protocol: READY, the watchdog and the status."""

import signal
import socket
from pathlib import Path
from unittest.mock import Mock

import pytest
from tests.edge.conftest import WriteConfig
from tests.edge.vedette_command import start_watch

from vedette_edge.host import systemd
from vedette_edge.host.systemd import Watchdog, notify
from vedette_edge.sinks.systemd_status import SystemdStatus


def test_systemd_gets_ready_without_a_camera_and_watchdog_messages_while_it_is_lost(
    write_config: WriteConfig, model: Path, tmp_path: Path
) -> None:
    address = tmp_path / "notify"
    config = write_config(f'model = "{model}"\ncamera = "/dev/video99"\n')
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(address))
        systemd.settimeout(120)  # for a slow processor
        with start_watch(config, NOTIFY_SOCKET=str(address), WATCHDOG_USEC="400000") as process:
            assert systemd.recv(100) == b"READY=1"
            messages = [systemd.recv(100) for _ in range(8)]
            assert messages.count(b"WATCHDOG=1") == 7
            assert min(messages).startswith(b"STATUS=camera lost: /dev/video99")
            process.send_signal(signal.SIGTERM)
            while (last := systemd.recv(100)) == b"WATCHDOG=1":
                pass
            assert last == b"STOPPING=1"


def test_a_systemd_that_does_not_read_holds_up_nothing(
    write_config: WriteConfig, model: Path, tmp_path: Path
) -> None:
    config = write_config(f'model = "{model}"\ncamera = "synthetic:64x48@50"\nevery-frame = true\n')
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        settings = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "2000"}
        with start_watch(config, **settings) as process:
            assert process.stdout
            for _ in range(100):
                assert process.stdout.readline()
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0


def test_a_watchdog_that_is_no_number_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "1e6")
    Watchdog().feed()


def test_systemd_gets_each_label_if_frames_are_independent(
    write_config: WriteConfig, model: Path, photos: Path, tmp_path: Path
) -> None:
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(address))
        systemd.settimeout(120)  # for a slow processor
        config = write_config(f'model = "{model}"\ncamera = "{photos}"\n')
        with start_watch(config, NOTIFY_SOCKET=str(address)):
            assert systemd.recv(100) == b"READY=1"
            assert systemd.recv(100) == b"STATUS=red (1.00)"
            assert systemd.recv(100) == b"STATUS=green (1.00)"


def test_a_status_of_many_regions_is_cut_to_what_systemd_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    status = SystemdStatus("change")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        for number in range(9):
            label = "ü" * 400
            status.write({"event": "change", "region": str(number), "label": label, "score": 1.0})
            assert systemd.recv(9000).startswith(b"STATUS=0: \xc3\xbc")
        status.write({"event": "camera_restored"})
        assert len(systemd.recv(9000)) < 4096


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_a_state_is_sent_to_the_address_in_the_environment(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = str(tmp_path / "notify") if kind == "path" else f"\0{tmp_path}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(address)
        systemd.setblocking(False)  # notify has sent it
        monkeypatch.setenv("NOTIFY_SOCKET", address.replace("\0", "@"))
        notify("READY=1")
        assert systemd.recv(100) == b"READY=1"


@pytest.mark.parametrize("address", ["", "notify", "/none/notify"])
def test_without_a_systemd_nothing_is_sent(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    notify("READY=1")


def test_the_watchdog_is_fed_twice_as_often_as_systemd_demands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, sent = Mock(), list[str]()
    monkeypatch.setattr(systemd, "time", clock)
    monkeypatch.setattr(systemd, "notify", sent.append)
    monkeypatch.setenv("WATCHDOG_USEC", "2000000")
    watchdog = Watchdog()
    for clock.monotonic.return_value in (100.0, 100.5, 101.0, 101.5, 102.0):
        watchdog.feed()
    assert sent == ["WATCHDOG=1"] * 3
