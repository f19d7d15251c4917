"""SIGHUP restarts a watch with the present configuration if that is valid; SIGTERM overrides it."""

import json
import re
import select
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import Mock

import cv2
import numpy as np
import pytest
from tests.edge.conftest import WriteConfig
from tests.edge.model.packing import write_deadly
from tests.edge.vedette_command import read_events, start_watch

from vedette_edge.model.model_file import read_model_file
from vedette_edge.watch import signals as signals_module
from vedette_edge.watch.signals import Signals

UNCHANGED = "The watch continues unchanged"
BEGINNING = ["start", "camera_opened", "change"]  # events of a watch


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A minute of red."""
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (32, 24))
    for _ in range(600):
        writer.write(np.full((24, 32, 3), (0, 0, 220), np.uint8))
    writer.release()
    return path


def test_sighup_restarts_a_watch_with_the_present_file(
    write_config: WriteConfig,
    model: Path,
    clip: Path,
    tmp_path: Path,
    repacked: Callable[[str], Path],
) -> None:
    fields = json.loads(read_model_file(model).members["contract.json"])
    hostile = repacked(json.dumps(fields | {"\x1b[2J": 1}))
    text = f'model = "{model}"\ncamera = "{clip}"\nlive = true\njson = true\n'
    config = write_config(text + "fps = 3.0\n")
    with start_watch(config) as process:
        assert process.stderr
        assert [one["event"] for one in read_events(process, "change")] == BEGINNING
        head, deadly = f'model = "{model}"\nlive = true\n', tmp_path / "deadly.tflite"
        write_deadly(model, deadly)
        for wrong, reason in (
            ("nonsense", "not valid TOML"),
            (head, "camera is missing"),
            (text + "enter = 0.2\n", "config.toml: enter 0.2 is below leave 0.35"),
            (head + 'camera = "picamera"\n', "config.toml: 'picamera'"),
            (head + f'camera = "/{"long" * 100}"\n', "long' not found"),
            (f'model = "{clip}"\ncamera = "{clip}"\n', f"config.toml: {clip}: "),
            (f'{text}log = "{clip}"\n', f"config.toml: {clip}: not a log"),
            (f'model = "{deadly}"\ncamera = "{clip}"\n', "config.toml: "),
            (f'model = "{hostile}"\ncamera = "{clip}"\n', r"has unknown \\x1b\[2J"),
            (f'{text}colour = "rgb"\n', "config.toml: .*carries its own contract"),
        ):
            write_config(wrong)
            process.send_signal(signal.SIGHUP)
            assert re.search(reason, process.stderr.readline())
            assert UNCHANGED in process.stderr.readline()
        write_config(text + "fps = 2.0\n")
        process.send_signal(signal.SIGHUP)
        records = read_events(process, "change")
        assert [one["event"] for one in records] == ["stop", *BEGINNING]
        assert records[0]["reason"] == "SIGHUP"
        assert records[1]["settings"]["fps"] == 2.0  # type: ignore[index]
        process.send_signal(signal.SIGTERM)
        assert read_events(process, "stop")[-1]["reason"] == "SIGTERM"
        assert process.wait(60) == 0


def test_several_sighups_stop_nothing_leak_nothing_and_sigterm_overrides_them(
    write_config: WriteConfig, model: Path, clip: Path
) -> None:
    config = write_config(f'model = "{model}"\ncamera = "{clip}"\nlive = true\njson = true\n')
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


def test_a_watch_outlives_many_wrong_reloads_while_it_prints(
    write_config: WriteConfig, model: Path
) -> None:
    text = f'model = "{model}"\ncamera = "synthetic:64x48@200"\nevery-frame = true\njson = true\n'
    config = write_config(text)
    with start_watch(config) as process, ThreadPoolExecutor() as pool:
        read_events(process, "frame")
        write_config("nonsense")
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


def test_a_check_that_hangs_delays_the_end_from_the_signal_on_and_not_once_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer, joined = threading.Event(), Mock()
    monkeypatch.setattr(signals_module, "JOIN_S", 0.01)

    def check() -> None:
        answer.wait()

    with Signals(check) as signals:
        monkeypatch.setattr(signals._checker, "join", joined)
        signals.start_watch()
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGTERM)
        time.sleep(0.05)  # as the disk of the log
    answer.set()
    joined.assert_called_once_with(0.0)


def test_the_first_ctrl_c_stops_the_watch_and_the_second_interrupts_it() -> None:
    signals, interruptions = Signals(None), 0
    try:
        with signals:
            signals.start_watch()
            signal.raise_signal(signal.SIGINT)
            assert signals.stop_reason == "SIGINT"
            assert select.select([signals.stop], [], [], 0)[0]
            try:
                signal.raise_signal(signal.SIGINT)
            except KeyboardInterrupt:
                interruptions += 1
    except KeyboardInterrupt:  # at the end, for the first one
        interruptions += 1
    assert interruptions == 2


def test_before_the_watch_begins_ctrl_c_interrupts_at_once() -> None:
    with Signals(None), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
