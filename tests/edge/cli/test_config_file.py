"""The configuration file, signals and systemd's protocol: what a service needs."""

import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import Mock

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result
from tests.edge.model.packing import write_deadly

from vedette_edge.cli.config_file import load_settings
from vedette_edge.cli.run import run
from vedette_edge.errors import SettingError
from vedette_edge.host.systemd import Watchdog
from vedette_edge.model.model_file import read_model_file
from vedette_edge.sinks.systemd_status import SystemdStatus
from vedette_edge.watch.signals import Signals

Write = Callable[[str], Path]
UNCHANGED = "The watch continues unchanged"
BEGINNING = ["start", "camera_opened", "change"]  # events of a watch


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(text: str) -> Path:
        path = tmp_path / "config.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write_file


def vedette_run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(run, [str(one) for one in arguments])


def test_a_watch_takes_its_settings_from_a_file_and_flags_override_it(
    write: Write, model: Path, photos: Path, tmp_path: Path
) -> None:
    config = write(f'model = "{model}"\ncamera = "gone"\njson = true\nthreads = 1\n')
    result = vedette_run("--config", config, "--camera", photos)
    assert result.exit_code == 0, result.stderr
    labels = [json.loads(line)["label"] for line in result.stdout.splitlines()]
    assert labels == ["red", "green", "blue"]
    assert "'gone'" in vedette_run("--config", config).stderr


def test_all_mistakes_are_named_at_once_with_the_nearest_known_key(write: Write) -> None:
    text = 'camra = "x"\nfps = -1\nthreads = "many"\nleave = 0.2\nzzz = 1\n'
    config = write(text + 'crop = "1,2"\nregion = "door"\n')
    with pytest.raises(SettingError) as error:
        load_settings(config, run)
    lines = str(error.value).splitlines()
    assert len(lines) == 6
    assert re.search("'camra'.*'camera'", lines[0])
    assert "'zzz'" in lines[1]
    assert "fps is -1" in lines[2]
    assert "threads is 'many'" in lines[3]
    assert "crop '1,2'" in lines[4]
    assert "region 'door'" in lines[5]
    result = vedette_run("--config", config)
    assert result.exit_code == 1
    assert result.stderr.count("config.toml: ") == 6


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("model = 3", ""),
        ("camera = 5", ""),
        ("rotate = 90", ""),
        ("fps = 2", ""),
        ('region = "door=0,0,9,9"', ""),
        ("region = []", ""),
        ("json = false", ""),
        ("\N{ZERO WIDTH NO-BREAK SPACE}fps = 2", ""),
        ("json = 1", "json is 1: expected true or false"),
        ("model = true", "model is True: expected a text or a number"),
        ('camera = ["rtsp://me:hunter2@h/x"]', "camera: expected a text or a number"),
        ('camera = ""', "camera: expected a text or a number"),
        ('log = "a\\u0000"', "expected a text or a number"),
        ('camera = ["a", "b"]', "expected a text or a number"),
        ("crop = { left = 1 }", "expected a text or a number"),
        ("fps = 2026-01-31", "expected a text or a number"),
        ("region = 7", "region '7'"),
        ("region = true", "expected a text or a number, or a list of these"),
        ("threads = 1.5", "'1.5' is not a valid integer"),
        ('region = ["a=0,0,9,9", "a=1,1,9,9"]', "'a'"),
        ("fps = nan", "fps is nan: nan is not a finite number"),
        ("smoothing = inf", "smoothing is inf: inf is not a finite number"),
    ],
)
def test_values_of_any_type_are_converted_as_on_a_command_line_or_refused(
    write: Write, line: str, expected: str
) -> None:
    config = write(line)
    if not expected:
        assert len(load_settings(config, run)) == 1
        return
    with pytest.raises(SettingError, match=re.escape(f"{config}: ")) as error:
        load_settings(config, run)
    assert expected in str(error.value)


def test_a_file_that_is_missing_or_not_valid_toml_is_named(write: Write, tmp_path: Path) -> None:
    for text in (
        "camera = ",
        "crop = " + "[" * 9999,
        "threads = " + "9" * 9999,
        f"threads = 0x{9999 * 'f'}",
    ):
        assert "not valid TOML" in vedette_run("--config", write(text)).stderr
    assert "gone.toml: No such file" in vedette_run("--config", tmp_path / "gone.toml").stderr
    os.mkfifo(tmp_path / "pipe.toml")
    assert (
        "pipe.toml: not a file, but a pipe"
        in vedette_run("--config", tmp_path / "pipe.toml").stderr
    )


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A minute of red."""
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (32, 24))
    for _ in range(600):
        writer.write(np.full((24, 32, 3), (0, 0, 220), np.uint8))
    writer.release()
    return path


@contextmanager
def start_watch(config: Path, **environment: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "vedette_edge", "run", "--config", str(config)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def read_events(process: subprocess.Popen[str], last: str) -> list[dict[str, object]]:
    """Read the records up to the next one of an event."""
    assert process.stdout
    records: list[dict[str, object]] = []
    while not records or records[-1]["event"] != last:
        records.append(json.loads(process.stdout.readline()))
    return records


def test_sighup_restarts_a_watch_with_the_present_file(
    write: Write, model: Path, clip: Path, tmp_path: Path, repacked: Callable[[str], Path]
) -> None:
    fields = json.loads(read_model_file(model).members["contract.json"])
    hostile = repacked(json.dumps(fields | {"\x1b[2J": 1}))
    text = f'model = "{model}"\ncamera = "{clip}"\nlive = true\njson = true\n'
    config = write(text + "fps = 3.0\n")
    with start_watch(config) as process:
        assert process.stderr
        assert [one["event"] for one in read_events(process, "change")] == BEGINNING
        head, deadly = f'model = "{model}"\nlive = true\n', tmp_path / "deadly.tflite"
        write_deadly(model, deadly)
        for wrong, reason in (
            ("nonsense", "not valid TOML"),
            (head, "camera is missing"),
            (head + 'camera = "picamera"\n', "config.toml: 'picamera'"),
            (head + f'camera = "/{"long" * 100}"\n', "long' not found"),
            (f'model = "{clip}"\ncamera = "{clip}"\n', f"config.toml: {clip}: "),
            (f'{text}log = "{clip}"\n', f"config.toml: {clip}: not a log"),
            (f'model = "{deadly}"\ncamera = "{clip}"\n', "config.toml: "),
            (f'model = "{hostile}"\ncamera = "{clip}"\n', r"has unknown \\x1b\[2J"),
            (f'{text}colour = "rgb"\n', "config.toml: .*carries its own contract"),
        ):
            write(wrong)
            process.send_signal(signal.SIGHUP)
            assert re.search(reason, process.stderr.readline())
            assert UNCHANGED in process.stderr.readline()
        write(text + "fps = 2.0\n")
        process.send_signal(signal.SIGHUP)
        records = read_events(process, "change")
        assert [one["event"] for one in records] == ["stop", *BEGINNING]
        assert records[0]["reason"] == "SIGHUP"
        assert records[1]["settings"]["fps"] == 2.0  # type: ignore[index]
        process.send_signal(signal.SIGTERM)
        assert read_events(process, "stop")[-1]["reason"] == "SIGTERM"
        assert process.wait(60) == 0


def test_several_sighups_stop_nothing_leak_nothing_and_sigterm_overrides_them(
    write: Write, model: Path, clip: Path
) -> None:
    config = write(f'model = "{model}"\ncamera = "{clip}"\nlive = true\njson = true\n')
    with start_watch(config) as process:
        read_events(process, "change")
        descriptors = Path(f"/proc/{process.pid}/fd")
        before = len(list(descriptors.iterdir()))
        for pause_s in (0, 0.01, 0.02, 0.05, 0.1):
            time.sleep(pause_s)
            process.send_signal(signal.SIGHUP)
        read_events(process, "change")
        assert len(list(descriptors.iterdir())) == before
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    with start_watch(config) as process:
        read_events(process, "change")
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGHUP)
        assert process.wait(60) == 0


def test_a_check_that_fails_as_nobody_expects_does_not_end_the_checks(
    caplog: pytest.LogCaptureFixture,
) -> None:
    checks = Mock(side_effect=[OSError(36, "File name too long"), RuntimeError("no"), None])
    with Signals(checks) as signals:
        for count in (1, 2, 3):
            signal.raise_signal(signal.SIGHUP)
            until_s = time.monotonic() + 60
            while checks.call_count < count:
                assert time.monotonic() < until_s
                time.sleep(0.01)
        assert select.select([signals.stop], [], [], 60)[0]
        assert signals.reload_requested
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    assert len(caplog.messages) == 2
    assert "File name too long" in caplog.messages[0]


def test_a_watch_outlives_many_wrong_reloads_while_it_prints(write: Write, model: Path) -> None:
    text = f'model = "{model}"\ncamera = "synthetic:64x48@200"\nevery-frame = true\njson = true\n'
    config = write(text)
    with start_watch(config) as process, ThreadPoolExecutor() as pool:
        read_events(process, "frame")
        write("nonsense")
        assert process.stdout
        assert process.stderr
        frames = pool.submit(process.stdout.read)
        for _ in range(200):
            process.send_signal(signal.SIGHUP)
            assert "not valid TOML" in process.stderr.readline()
            assert process.stderr.readline() == f"{UNCHANGED}\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert frames.result().endswith("}\n")


def test_systemd_gets_ready_without_a_camera_and_watchdog_messages_while_it_is_lost(
    write: Write, model: Path, tmp_path: Path
) -> None:
    address = tmp_path / "notify"
    config = write(f'model = "{model}"\ncamera = "/dev/video99"\n')
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
    write: Write, model: Path, tmp_path: Path
) -> None:
    config = write(f'model = "{model}"\ncamera = "synthetic:64x48@50"\nevery-frame = true\n')
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
    write: Write, model: Path, photos: Path, tmp_path: Path
) -> None:
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(address))
        systemd.settimeout(120)  # for a slow processor
        config = write(f'model = "{model}"\ncamera = "{photos}"\n')
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


def test_the_example_is_a_configuration_and_so_is_what_it_only_suggests(write: Write) -> None:
    example = Path(__file__).parents[3] / "edge" / "config.example.toml"
    assert load_settings(example, run)["heartbeat"] == "60.0"
    text = re.sub(r"^# (?=\w+ = )", "", example.read_text("utf-8"), flags=re.MULTILINE)
    settings = load_settings(write(text), run)
    assert settings["regions"] == ["door=200,80,240,360", "nest=0,0,160,120"]
    assert settings["motion"] == "0.01"
