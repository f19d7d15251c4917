"""The page and its watch: the watch never notices, and ends with a page that started it."""

import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.edge.mosquitto import wait_until
from tests.edge.page.conftest import Page, is_running, start_page
from tests.edge.vedette_command import read_events, start_watch


def test_a_page_that_is_killed_again_and_again_costs_the_watch_no_frame_or_record(
    tmp_path: Path, model: Path
) -> None:
    config, path = tmp_path / "config.toml", tmp_path / "watch.sock"
    config.write_text(
        f'model = "{model}"\ncamera = "synthetic:320x240@5"\njson = true\nheartbeat = 1.0\n'
        f'socket = "{path}"\nevery-frame = true\n'
    )
    with start_watch(config) as watch:
        read_events(watch, "heartbeat")
        for _ in range(10):
            with start_page("--socket", path) as page, ExitStack() as stack:
                for _ in range(3):
                    stack.enter_context(page.open("/stream.mjpg"))
                os.kill(page.pid, signal.SIGKILL)
        records = [record for _ in range(3) for record in read_events(watch, "heartbeat")]
    numbers = [one["frame"] for one in records if one["event"] == "frame"]
    assert numbers == list(range(int(str(numbers[0])), int(str(numbers[0])) + len(numbers)))
    assert records[-1]["dropped"] == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_open_starts_a_watch_and_ends_it_with_the_page(
    model: Path, number: signal.Signals, code: int
) -> None:
    command = [sys.executable, "-m", "vedette_edge", "page", "--bind", "127.0.0.1:0"]
    command += ["--open", str(model), "--camera", "synthetic:64x48@10"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        line = next(line for line in process.stderr if line.startswith("http://"))
        page = Page(int(line.strip("/\n").rpartition(":")[2]), process.pid)
        wait_until(lambda: page.get("/frame.jpg").status == 200)
        assert page.get("/api/history").status == 200
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.send_signal(number)
        assert process.wait(60) == code
        assert "Traceback" not in process.stderr.read()
        assert not any(is_running(int(child)) for child in children)


def test_a_watch_that_cannot_begin_ends_the_page(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "vedette_edge", "page", "--bind", "127.0.0.1:0"]
    command += ["--open", str(tmp_path / "gone.tflite"), "--camera", "synthetic"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "gone.tflite" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_watch_that_ends_by_itself_ends_the_page(model: Path) -> None:
    command = [sys.executable, "-m", "vedette_edge", "page", "--bind", "127.0.0.1:0"]
    command += ["--open", str(model), "--camera", str(model)]  # which is no video
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert model.name in done.stderr
    assert "Traceback" not in done.stderr


def test_the_terminal_says_that_there_is_no_watch_yet_and_where(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for reason in (f"no watch at {path}; it appears", f"{path} is no socket; it appears"):
        command = [sys.executable, "-m", "vedette_edge", "page", "--bind", "127.0.0.1:0"]
        with subprocess.Popen(
            [*command, "--socket", "file"], stderr=subprocess.PIPE, text=True, cwd=tmp_path
        ) as process:
            assert process.stderr
            assert any(line.startswith(reason) for line in process.stderr)
            process.kill()
        path.touch()


def test_a_viewer_gets_no_figures_of_an_earlier_time(tmp_path: Path, model: Path) -> None:
    config, path = tmp_path / "config.toml", tmp_path / "watch.sock"
    config.write_text(f'model = "{model}"\ncamera = "synthetic:64x48@20"\nsocket = "{path}"\n')
    with start_watch(config), start_page("--socket", path) as page:
        counts = []
        for _ in range(2):
            wait_until(lambda: page.get("/frame.jpg").status == 200)
            number = page.get("/api/state").json["frame"]["frame"]
            with page.events() as events:
                figures = next(data for kind, _, data in events if kind == "metrics")
                counts.append(figures["frames"]["classified"] >= number)
    assert counts == [True, True]
